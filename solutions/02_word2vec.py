# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · word2vec: from counting words to vectors that do analogies
#
# A computer knows a word as a number in a list. *King* may be number 3,017 there and *queen* number 8,842, and nothing in these
# numbers says that the two have anything in common. In this notebook you write programs that find it out by reading: first by counting which words
# stand near each other, then by learning to predict them. At the end, vectors answer questions such as *man is to
# woman as king is to ...?*, and you know how often they do, and when they fail.
#
# | part | what you do | about |
# |---|---|---|
# | A · Counting company | a word by its neighbours: counts, surprise, dense vectors by SVD | 75 min |
# | B · Predicting company | skip-gram and CBOW with the full softmax, and their gradients | 50 min |
# | C · Negative sampling | the same much cheaper: noise words, and what they make it learn | 60 min |
# | D · Asking word vectors | neighbours, analogies, people's judgements | 45 min |
# | E · Training | a world whose truth is known, and a trainer that finds it | 75 min |
# | F · Scale, and what it is good for | torch, millions of words, new words, a task, a clinic | 60 min |
#
# Each part ends at a good place to stop. As before: `check("...")` below a graded cell, `hint("...")` when you are stuck, and
# `progress()` to see how far you are.

# %%
import numpy as np
import torch
from scipy.special import expit

from course_utils import check, data, earlier, hint, metrics, pick_device, plots, progress, widgets

rng, device = np.random.default_rng(0), pick_device()

# %% [markdown]
# # A · Counting company

# %% [markdown]
# ## A1 · Words as symbols
#
# **Why.** The simplest vector of a word has one place for each word of the vocabulary, with a 1 in its own place and 0
# everywhere else: a **one-hot** vector. What does it say about two words?
#
# **By hand.** *Motel* and *hotel* in a vocabulary of 15 words, in places 11 and 13. Their scalar product is 0, as it is for
# any two words:

# %%
one_hot = np.eye(15)
motel, hotel, banana = one_hot[10], one_hot[12], one_hot[3]
print("motel · hotel =", motel @ hotel, "   motel · banana =", motel @ banana)
print(
    "‖motel − hotel‖ =",
    np.linalg.norm(motel - hotel).round(3),
    "   ‖motel − banana‖ =",
    np.linalg.norm(motel - banana).round(3),
)
assert motel @ hotel == motel @ banana == 0 and np.isclose(np.linalg.norm(motel - hotel), np.sqrt(2))

# %% [markdown]
# Every two different words are $\sqrt 2$ apart. What a program has learned about hotels says nothing to it about motels. And the
# vectors are long: a speech recogniser knows some 20,000 words, the Penn Treebank has 50,000, a large dictionary 500,000, and
# Google's collection of a trillion words has 13 million different ones. A matrix of $n \times n$ numbers for these:

# %%
for name, n in {
    "speech": 20_000,
    "Penn Treebank": 50_000,
    "large dictionary": 500_000,
    "Google 1T": 13_000_000,
}.items():
    print(f"{name:17} {n:>11,} words: {8 * n**2 / 1e9:>13,.0f} GB as an n × n matrix of float64")

# %% [markdown]
# ## A2 · A word by the company it keeps
#
# **Why.** Where does the meaning of a word come from? One answer has served language technology for decades: from the
# words around it, its **context**. J. R. Firth (1957) said that you know a word *by the company it keeps*. Two words that keep the same company,
# *hotel* and *motel*, then get similar descriptions, although they may never meet. (The field says *context*; this notebook also says company, and *outside word* for a single word of it.)
#
# **By hand.** The lecture's corpus has three sentences. With a window of 1, the company of a word is the word before and
# the word after it. *like* has *I* beside it twice, and *deep* and *NLP* once each.

# %%
lecture = ["I like deep learning .", "I like NLP .", "I enjoy flying ."]
names = ["I", "like", "enjoy", "deep", "learning", "NLP", "flying", "."]
sentences = [np.array([names.index(word) for word in text.split()]) for text in lecture]
sentences

# %% [markdown]
# [exercise: cooccurrence]
# Loops are welcome here: tiny and obvious comes first.


# %% exercise="cooccurrence"
def cooccurrence(sentences, n_words, window):
    """Co-occurrence counts: X[a, b] is how often word b stands at most `window` places away from word a.

    sentences: a list of integer arrays, each with the numbers of a sentence's words in turn; one may be empty.
    Two different places of one sentence that are 1 to `window` places apart count once in each direction, also
    where the same word stands at both. Places of different sentences never count.
    Returns X: (n_words, n_words), symmetric.
    """
    ### BEGIN SOLUTION
    X = np.zeros((n_words, n_words))
    for sentence in sentences:
        for t, word in enumerate(sentence):
            for other in sentence[max(0, t - window) : t]:
                X[word, other] += 1
                X[other, word] += 1
    return X
    ### END SOLUTION


# %%
check("cooccurrence")

# %% [markdown]
# [hints: cooccurrence]

# %% [markdown]
# The lecture's table, from your function, number for number:

# %%
X = cooccurrence(sentences, len(names), 1)  # (8, 8)
print(" " * 9, *(f"{name:>8}" for name in names))
for name, row in zip(names, X, strict=True):
    print(f"{name:9}", *(f"{int(count):>8}" for count in row))
table = "02100000 20010100 10000010 01001000 00010001 01000001 00100001 00001110"
assert np.array_equal(X, [[int(digit) for digit in row] for row in table.split()])

# %% [markdown]
# Its rows are word vectors, and they know something that one-hot vectors do not. *like* and *enjoy* never meet in this
# corpus, yet both keep company with *I*:

# %%
like, enjoy, nlp, flying = X[1], X[2], X[5], X[6]
print("like · enjoy =", like @ enjoy, "   NLP · flying =", nlp @ flying, "   like · flying =", like @ flying)
assert like @ enjoy > 0 and nlp @ flying > 0 and like @ flying == 0

# %% [markdown]
# **Think.** With a window of 1, *like* and *flying* have nothing in common. What would a window of 2 change?
#
# <details><summary>Answer</summary>
#
# *flying* then also counts *I*, two places before it, and *like* has *I* too: they become similar. A wide window finds what
# texts are *about*; a narrow one finds what can stand in the same *place*.
#
# </details>

# %% [markdown]
# ## A3 · All pairs at once
#
# **Why.** Everything that follows, counting and learning, goes through the same list: each word together with each word near
# it. A real corpus has billions of such pairs, and a Python loop is far too slow for them.
#
# **By hand.** A corpus is kept as one long array of word numbers, and an array that says where sentences begin. For the
# sentence 4 2 7 9 with window 1, the pairs (centre, outside) are (4, 2), (2, 4), (2, 7), (7, 2), (7, 9), (9, 7): the centre goes
# along the sentence, and for each centre the outside word goes along its window.

# %% [markdown]
# [exercise: training-pairs]
# A loop would be right, and far too slow for a real corpus. So put the places that each word looks at into one array, and
# then keep those that lie inside its own sentence.


# %% exercise="training-pairs"
def training_pairs(tokens, starts, window):
    """All pairs of a word and a word at most `window` places away in the same sentence.

    tokens: (n,) integers, the words of all sentences end to end. starts: (sentences + 1,) integers; sentence i is
    tokens[starts[i] : starts[i + 1]], and may be empty, as may be all. window: at least 1; m may be 0.
    Returns (c, o): two integer arrays (m,), the centre word and the outside word of each pair, in the order of the
    centre's place, then of the outside word's place.
    """
    ### BEGIN SOLUTION
    lengths = np.diff(starts)
    begin, end = np.repeat(starts[:-1], lengths), np.repeat(starts[1:], lengths)  # (n,): of each word's sentence
    steps = np.delete(np.arange(-window, window + 1), window)  # (2 window,): without 0
    place = np.arange(len(tokens))[:, None] + steps  # (n, 2 window)
    inside = (place >= begin[:, None]) & (place < end[:, None])
    return np.repeat(tokens, inside.sum(1)), tokens[place[inside]]
    ### END SOLUTION


# %%
check("training-pairs")

# %% [markdown]
# [hints: training-pairs]

# %% [markdown]
# The rungs agree: counting your pairs gives the table of the loop. And the time, for more and more words in sentences of ten:

# %%
tokens, starts = np.concatenate(sentences), np.array([0, 5, 9, 13])
c, o = training_pairs(tokens, starts, 1)
X_pairs = np.zeros((8, 8))
np.add.at(X_pairs, (c, o), 1)
assert np.array_equal(X_pairs, X)

# %% tags=["nbval-ignore-output"]
sizes, times = (1_000, 3_000, 10_000, 30_000), {"loop": [], "NumPy": []}
for n in sizes:
    some, bounds = rng.integers(50, size=n), np.arange(0, n + 1, 10)
    times["loop"].append(metrics.seconds(cooccurrence, np.split(some, bounds[1:-1]), 50, 5, repeats=1))
    times["NumPy"].append(metrics.seconds(training_pairs, some, bounds, 5, repeats=3))
plots.scaling(
    {name: (sizes, seconds) for name, seconds in times.items()},
    xlabel="words",
    title="Pairs of a corpus: a loop, and whole arrays",
)

# %% [markdown]
# ## A4 · A real corpus
#
# **Why.** The lecture's corpus has 8 words. Take one that you have already: the docstrings of all Python packages that this
# course installed, in lower case, sentence by sentence. Words that occur fewer than five times are dropped. (They are read once, which takes from some seconds to a minute on a
# busy computer; what is in them differs a little from one computer to the next, and so do the numbers below. There is larger English text too: `course data fetch text8` gets text8, 17 million words of Wikipedia. After that,
# `corpus = data.corpus_of([" ".join(words) for words in data.text8()])` makes it a corpus like this one, to train on in part F.)

# %% tags=["nbval-ignore-output"]
corpus = data.docstring_corpus()
print(f"{len(corpus.tokens):,} words, {len(corpus.words):,} different ones, {len(corpus.starts) - 1:,} sentences")
print("for example:", corpus.text(1000), "/", corpus.text(70_000))
print("most frequent:", ", ".join(corpus.words[:12]))

# %% [markdown]
# The lecture looks at *banking* in several sentences, one below the other: a **concordance**. Here is *matrix* in ours.

# %% tags=["nbval-ignore-output"]
print("\n".join(corpus.concordance("matrix", 9)))

# %% [markdown]
# **Think.** Cover the word in the middle. What could you still say about it?
#
# <details><summary>Answer</summary>
#
# That it can follow *a* and *the*, so it is a noun, and that it has to do with rows, columns, being sparse or symmetric, with sizes and products. You would mostly guess *matrix* or *array*. All that the methods of this notebook ever
# see is this: the words around a place, not what a matrix is.
#
# </details>

# %% [markdown]
# A matrix for all pairs of words has hundreds of millions of cells, and nearly all of them are 0. Keep only the others: a list of
# pairs, each with its count.
#
# **By hand.** Pairs (2, 1), (0, 2), (2, 1), (1, 0), (2, 0) of three words. As numbers $3c + o$ they are 7, 2, 7, 3, 6. Sorted: 2, 3, 6, 7, 7.
# Divided by 3, with quotient and remainder: (0, 2), (1, 0), (2, 0), and twice (2, 1).

# %% [markdown]
# [exercise: sparse-counts]
# Sorting finds equal pairs. Write each pair as one number first, and mind how large that number may become.


# %% exercise="sparse-counts"
def sparse_counts(c, o, n_words):
    """How often each pair occurs, without an array of n_words x n_words.

    c, o: (m,) integers from 0 to n_words - 1, perhaps int32; m may be 0. n_words: up to 13 million, as in A1, so that
    an array may have about m + n_words entries, not more.
    Returns (i, j, x): three integer arrays (p,), one entry for each different pair (i, j) = (c, o), sorted by i, then
    by j; x is how often it occurs.
    """
    ### BEGIN SOLUTION
    pairs, x = np.unique(c.astype(np.int64) * n_words + o, return_counts=True)
    return pairs // n_words, pairs % n_words, x
    ### END SOLUTION


# %%
check("sparse-counts")

# %% [markdown]
# [hints: sparse-counts]

# %% [markdown]
# **On real data**: what is wrong with counts? Take more and more of the corpus. The table grows, and not slowly:

# %% tags=["nbval-ignore-output"]
n_words, growth = len(corpus.words), []
for n_sentences in (2_000, 6_000, 20_000, 60_000):
    end = corpus.starts[n_sentences]
    c, o = training_pairs(corpus.tokens[:end], corpus.starts[: n_sentences + 1], 5)
    i, j, x = sparse_counts(c, o, n_words)
    growth.append((end, len(np.unique(c)), len(x)))
    print(
        f"{end:8,} words: {growth[-1][1]:6,} different ones, {len(x):9,} different pairs, {(x == 1).mean():.0%} of them seen once"
    )
assert growth[-1][2] > 5 * growth[0][2] and (x == 1).mean() > 0.4

# %% [markdown]
# - **Growth.** Every new text brings new words and new pairs: storage grows with the vocabulary, and does not stop.
# - **Sparsity.** Most pairs were seen once or twice. Whether a cell is 0 or 1 is chance, and a classifier that is given these rows
#   as features meets in each new text cells that it never saw in training.
# - **Frequency.** The large numbers belong to frequent words, whatever they stand beside:

# %% tags=["nbval-ignore-output"]
largest = np.argsort(-x)[:12]
print("largest counts:", ", ".join(f"{corpus.words[i[p]]}–{corpus.words[j[p]]} {x[p]:,}" for p in largest))
top = np.isin(i, np.arange(100)) | np.isin(j, np.arange(100))
print(f"{x[top].sum() / x.sum():.0%} of all counts have one of the 100 most frequent words in them")
assert x[top].sum() > 0.5 * x.sum()

# %% [markdown]
# For the whole corpus, SciPy's sparse matrices do the same work step by step: shift the corpus by 1, by 2, up to the window,
# and count what stands above what. It is the same matrix:

# %%
from scipy import sparse


def corpus_counts(corpus, window, n_words):
    """Counts X (n_words, n_words), sparse, of the pairs among the n_words most frequent words."""
    sentence = np.repeat(np.arange(len(corpus.starts) - 1), np.diff(corpus.starts))  # (n,)
    X = sparse.csr_array((n_words, n_words))
    for step in range(1, window + 1):
        c, o = corpus.tokens[:-step], corpus.tokens[step:]
        pair = (sentence[:-step] == sentence[step:]) & (c < n_words) & (o < n_words)
        X = X + sparse.coo_array((np.ones(pair.sum()), (c[pair], o[pair])), (n_words, n_words)).tocsr()
    return X + X.T


small = data.Corpus(corpus.tokens[:end], corpus.starts[: n_sentences + 1], corpus.words, corpus.counts)
difference = corpus_counts(small, 5, n_words) - sparse.coo_array((x, (i, j)), (n_words, n_words)).tocsr()
assert abs(difference).sum() == 0

# %% tags=["nbval-ignore-output"]
X_all = corpus_counts(corpus, 5, n_words)
print(
    f"{X_all.nnz:,} pairs, {X_all.nnz / n_words**2:.2%} of the cells; dense it would take {8 * n_words**2 / 1e9:.1f} GB"
)

# %% [markdown]
# ## A5 · Surprise instead of counts
#
# **Why.** *the* stands beside everything, which says nothing about anything. What says something is a pair that meets *more often
# than chance would have it*. If words were thrown together at random, a pair would have probability $p_a p_b$. The logarithm
# of how many times more often it really occurs is the pair's **pointwise mutual information**:
#
# $$\mathrm{PMI}(a, b) = \log \frac{p_{ab}}{p_a\, p_b}, \qquad p_{ab} = \frac{X_{ab}}{N}, \quad p_a = \frac{\sum_j X_{aj}}{N}, \quad p_b = \frac{\sum_i X_{ib}}{N} .$$
#
# A pair that never met has $\log 0$; rare pairs below chance are badly estimated. So the negative values are cut off,
# which leaves **PPMI**, $\max(0, \mathrm{PMI})$.
#
# **By hand.** Two words, each 4 times: three times beside itself, once beside the other. $N = 8$, so chance gives each pair
# $4 \cdot 4 / 8 = 2$. The pairs that met 3 times have $\log 1.5 = 0.405$; those that met once would have $\log 0.5 < 0$: 0.

# %% [markdown]
# [exercise: ppmi]
# Mind the zeros: most of the cells, and sometimes a whole row.


# %% exercise="ppmi"
def ppmi(X):
    """Positive pointwise mutual information: max(0, log(p_ab / (p_a p_b))), natural logarithm, and 0 where X is 0.

    X: (n, n) counts >= 0, floats or integers, N > 0 in all; rows and columns may be all 0, X need not be symmetric.
    p_ab = X_ab / N, p_a = (sum of row a) / N, p_b = (sum of column b) / N. Returns (n, n), finite.
    """
    ### BEGIN SOLUTION
    rows, columns = X.sum(1, keepdims=True), X.sum(0)
    ratio = X * X.sum() / np.where(X > 0, rows * columns, 1)
    return np.log(np.maximum(ratio, 1))
    ### END SOLUTION


# %%
check("ppmi")

# %% [markdown]
# [hints: ppmi]

# %% [markdown]
# **On real data.** The strongest company of a word, by counts and by PPMI, among the 3,000 most frequent words:

# %% tags=["nbval-ignore-output"]
X_3000 = X_all[:3000, :3000].toarray()
M_3000 = ppmi(X_3000)
for word in ("matrix", "file", "random"):
    w = corpus.index[word]
    by_count, by_surprise = (", ".join(corpus.words[b] for b in np.argsort(-A[w])[:7]) for A in (X_3000, M_3000))
    print(f"{word:7} counts: {by_count:48}  PPMI: {by_surprise}")
function_words = np.arange(30)  # the thirty most frequent ones
share = [np.isin(np.argsort(-A, axis=1)[:, :5], function_words).mean() for A in (X_3000, M_3000)]
print(f"of the five strongest, {share[0]:.0%} are among the 30 most frequent words by counts, {share[1]:.0%} by PPMI")
assert share[0] > 0.6 and share[1] < 0.2

# %% [markdown]
# **Think.** Which pairs have the very largest PMI, and would you trust them?
#
# <details><summary>Answer</summary>
#
# Pairs of two *rare* words that meet whenever they occur. Five occurrences with ten outside words each make a row sum of 50. If two such words meet a single time, and $N$ is 30 million, their PMI is $\log \frac{1 \cdot N}{50 \cdot 50} \approx 9.4$: PMI divides by small numbers. That is why the lists above hold names such as *statespace*,
# and why rare words are often left out, or counts are smoothed, before PPMI is taken.
#
# </details>

# %% [markdown]
# ## A6 · Dense vectors by SVD
#
# **Why.** Thousands of numbers for a word, nearly all 0: that is long, and chance decides many of them. The idea of **dense** vectors
# is to keep *most of the information in few numbers*. The singular value decomposition does exactly that: of all matrices of rank
# $d$, $W_d S_d Z_d^\top$ is the nearest to $M$ (Eckart & Young, 1936).
#
# $$M = W S Z^\top \approx \sum_{j=1}^{d} s_j\, w_j z_j^\top .$$
#
# Row $a$ of $W_d S_d^{1/2}$ is then a vector of word $a$ with $d$ numbers, and row $b$ of $Z_d S_d^{1/2}$ describes $b$ as company:
# their scalar product is about $M_{ab}$. Each word has *two* vectors. Remember that.
#
# **By hand.** For the diagonal matrix with 4, 9 and 1, the directions are the axes, sorted: 9, 4, 1. With $d = 2$ the second word
# gets $(3, 0)$, the first $(0, 2)$, the third nothing.

# %% [markdown]
# [exercise: svd-vectors]
# A singular vector may be turned round without harm, and two programs may disagree about it: fix the sign.


# %% exercise="svd-vectors"
def svd_vectors(M, d):
    """Word vectors from the singular value decomposition M = W diag(S) Z^T: the rows of W_d diag(S_d)^(1/2).

    M: (n, n), not necessarily symmetric, with at least d singular values > 0, all different. W_d and S_d are the d
    largest, largest first. Returns (n, d); in each column the entry of largest absolute value is positive.
    """
    ### BEGIN SOLUTION
    W, S, _ = np.linalg.svd(M)
    W = W[:, :d] * np.sqrt(S[:d])
    return W * np.sign(W[np.abs(W).argmax(0), np.arange(d)])
    ### END SOLUTION


# %%
check("svd-vectors")

# %% [markdown]
# [hints: svd-vectors]

# %% [markdown]
# On the lecture's table. Words that keep similar company get similar vectors, and the fewer dimensions there are, the more similar: there is no room for the differences. (The cosine of two vectors is 1 where they have one direction and 0 where
# they are at right angles.)


# %%
def cosine(a, b):
    """The cosine of the angle between two vectors."""
    return a @ b / np.sqrt((a @ a) * (b @ b))


for d in (2, 4, 6):
    Y = svd_vectors(X, d)  # (8, d)
    alike = [
        cosine(Y[names.index(a)], Y[names.index(b)])
        for a, b in (("like", "enjoy"), ("NLP", "flying"), ("like", "flying"))
    ]
    print(f"{d} dimensions: like–enjoy {alike[0]:.2f}, NLP–flying {alike[1]:.2f}, like–flying {alike[2]:.2f}")
    assert min(alike[:2]) > 0.25 > 0.1 > abs(alike[2])

# %% [markdown]
# Which number would be right? In the table itself *like* and *enjoy* have 0.58. The vectors $W_d S_d^{1/2}$ do not aim at that number: the square root gives weak directions more weight than they have in the table. With all 8 directions they have 0.31, and rows of $W S$ have the table's 0.58:

# %%
W_all, S_all, _ = np.linalg.svd(X)
for name, Y in {"W S^½": W_all * np.sqrt(S_all), "W S": W_all * S_all, "the table": X}.items():
    print(f"{name:9} in all 8 directions: like–enjoy {cosine(Y[1], Y[2]):.2f}")
assert np.isclose(cosine(*(W_all * S_all)[1:3]), cosine(like, enjoy)) and np.isclose(
    cosine(like, enjoy), 0.58, atol=0.005
)
assert np.isclose(cosine(*(W_all * np.sqrt(S_all))[1:3]), 0.31, atol=0.005)

# %% [markdown]
# **Raw counts, or not?** Make the vectors from raw counts, and the first number of each word is little else but its frequency:

# %% tags=["nbval-ignore-output"]
frequency = X_3000.sum(1)  # (3000,)
first = {
    name: svd_vectors(A, 1)[:, 0]
    for name, A in {"raw counts": X_3000[:1000, :1000], "PPMI": M_3000[:1000, :1000]}.items()
}
explained = {name: abs(np.corrcoef(one, frequency[:1000])[0, 1]) for name, one in first.items()}
print(*(f"{name}: correlation of the first component with frequency {r:.2f};" for name, r in explained.items()))
assert explained["raw counts"] > 0.9 > explained["PPMI"] + 0.3

# %% [markdown]
# **What it costs.** A full SVD of an $n \times n$ matrix takes on the order of $n^3$ operations. Measured, and the exponent fitted
# as the slope of a straight line through the logarithms:

# %% tags=["nbval-ignore-output"]
sizes = np.array([300, 500, 800, 1300])
seconds = np.array([metrics.seconds(np.linalg.svd, M_3000[:n, :n], repeats=2) for n in sizes])
exponent, offset = np.polyfit(np.log(sizes), np.log(seconds), 1)
vocabulary = np.exp(offset) * np.array([n_words, 1e6]) ** exponent
print(
    f"exponent {exponent:.2f}; so all {n_words:,} words would take {vocabulary[0] / 3600:.1f} hours, a million {vocabulary[1] / 3.15e7:.0f} years"
)
plots.scaling(
    {"full SVD": (sizes, seconds), "fitted line": (sizes, np.exp(offset) * sizes**exponent)},
    xlabel="words in the vocabulary",
    title=f"The time of a full SVD grows like the vocabulary to the power {exponent:.1f}",
)

# %% [markdown]
# (The two are extrapolations, far beyond the measured sizes, and good for an order of magnitude only.) What takes an hour, or a few, for
# these words takes years for a million: this is the price of a *full* decomposition. There is a way round, used below: only $d$ of the singular
# vectors are wanted, and products of a sparse matrix with a few vectors find them. That is much cheaper. Two objections remain:
#
# - **A new word** means a new row and a new column of $M$, and changed sums everywhere. Its row can be projected onto the directions that are there (*folding in*, which F3 does); but to let it change the *directions*, the
#   decomposition has to be updated or made again.
# - **It learns in another way than everything else in deep learning.** All data are counted first, then one factorisation of the whole
#   follows, which has a purpose of its own. It can't be trained together with a network that sits on top, for that network's purpose.
#
# **Think.** The lecture's table has 8 words. Why is $d = 8$ no compression, and what is lost at $d = 2$?
#
# <details><summary>Answer</summary>
#
# With all directions $W S Z^\top$ is the table itself, number for number. With two, *like* and *enjoy* become the same vector (cosine 1.00 above): that they differ in what they are followed by is forgotten. Whether this is a loss or the point depends on whether the
# difference was chance.
#
# </details>
#
# *This is a good place to stop.*

# %% [markdown]
# # B · Predicting company
#
# ## B1 · A guess at the neighbours
#
# **Why.** word2vec (Mikolov et al., 2013) turns the task round. It does not count first and compress afterwards. It *starts* with
# short vectors, goes through the corpus word by word, lets the vectors of each word **predict** the words around it, and improves
# them a little each time. A new sentence is one more example; a new word is one more row.
#
# Every word $w$ has **two** vectors: $v_w$ for when it stands in the *centre*, and $u_w$ for when it is seen *outside*, in
# another's window.[¹](#slip) All rows together are the matrices $V$ and $U$. The probability that a word drawn from the window of the centre word $c$ is $o$ is a
# **softmax** over the vocabulary of $n$ words:
#
# $$p(o \mid c) = \frac{\exp(u_o^\top v_c)}{\sum_{w=1}^{n} \exp(u_w^\top v_c)} .$$
#
# **By hand.** Let the scores $u_w^\top v_c$ of three words be $0$, $\log 2$ and $\log 3$. Their exponentials are 1, 2 and 3, and their
# probabilities $\tfrac16$, $\tfrac26$ and $\tfrac36$.
#
# <a id="slip"></a>¹ *The lecture's slide has a slip here: it calls $u$ and $v$ "centre" and "outside" vectors. In its own formula the vector of the centre word
# is $v_c$ and that of the outside word is $u_o$, and so it is in this notebook.*

# %% [markdown]
# [exercise: outside-probabilities]
# $e^{1000}$ is too large for a computer and $e^{-1000}$ too small, but dividing by the largest term first is safe.


# %% exercise="outside-probabilities"
def outside_probabilities(v_c, U):
    """p(o|c) = exp(u_o . v_c) / sum_w exp(u_w . v_c) for every word o.

    v_c: (d,) the centre word's vector. U: (n, d) the outside vectors of all words. Returns p: (n,), finite also
    where scores are in the thousands, positive or negative.
    """
    ### BEGIN SOLUTION
    scores = U @ v_c  # (n,)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()
    ### END SOLUTION


# %%
check("outside-probabilities")

# %% [markdown]
# [hints: outside-probabilities]

# %% [markdown]
# **Think.** Why two vectors for each word, and not one?
#
# <details><summary>Answer</summary>
#
# Words rarely stand beside themselves. With one vector, $p(w \mid w)$ has the score $v_w^\top v_w$, a square, which is never
# negative: the model can hardly say that a word does *not* stand beside itself. It is worse than that. The best scores, as C5 will show, are mostly negative, and those of a single matrix, $V V^\top$,
# can't be: all of them together sum to $\|\sum_w v_w\|^2$, which is at least 0. Part E has the damage, measured on a world that is hard on one matrix.
#
# </details>

# %% [markdown]
# ## B2 · Skip-gram: loss and gradients
#
# **Why.** To improve the vectors we need to know in which direction. **Skip-gram** takes each pair of a centre word and a word of its
# window by itself, wherever in the window it stands, and minimises $J = -\log p(o \mid c)$, summed over all pairs of the corpus.
#
# **The derivation.** Write $s_w = u_w^\top v_c$ for the scores. The logarithm of a fraction is a difference:
#
# $$J = -s_o + \log \sum_w e^{s_w} .$$
#
# By the chain rule, the derivative of the second term by one score is $e^{s_w} / \sum_x e^{s_x} = p(w \mid c)$. The first term gives $-1$ where
# $w = o$. With $y_w = 1$ for $w = o$ and 0 otherwise,
#
# $$\frac{\partial J}{\partial s_w} = p(w \mid c) - y_w .$$
#
# Scores are products, so $\partial s_w / \partial v_c = u_w$ and $\partial s_w / \partial u_w = v_c$; by the chain rule once more
#
# $$\frac{\partial J}{\partial v_c} = \sum_w \big(p(w \mid c) - y_w\big)\, u_w, \qquad \frac{\partial J}{\partial u_w} = \big(p(w \mid c) - y_w\big)\, v_c .$$
#
# It is logistic regression for many classes, in which the features are learned too: "dynamic" logistic regression, as the lecture has it.
# What is predicted minus what is true, times the other side.
#
# **By hand.** Two words and $v_c = 0$: both probabilities are ½, and the loss is $\log 2 = 0.693$. If the first was seen, $\partial J / \partial v_c
# = (\tfrac12 - 1)\, u_1 + \tfrac12 u_2 = \tfrac12 (u_2 - u_1)$: the step *against* it goes towards $u_1$ and away from $u_2$.

# %% [markdown]
# [exercise: skipgram-gradients]
# The last two lines of the derivation, and the loss itself.


# %% exercise="skipgram-gradients"
def skipgram_gradients(v_c, o, U):
    """Loss -log p(o|c) of one pair under the full softmax, and its gradients.

    v_c: (d,). o: the number of the outside word. U: (n, d).
    Returns (loss, dv_c, dU): a number, (d,) and (n, d).
    """
    ### BEGIN SOLUTION
    p = outside_probabilities(v_c, U)  # (n,)
    delta = p.copy()
    delta[o] -= 1  # p - y
    return -np.log(p[o]), U.T @ delta, np.outer(delta, v_c)
    ### END SOLUTION


# %%
check("skipgram-gradients")

# %% [markdown]
# [hints: skipgram-gradients]

# %% [markdown]
# Both gradients against finite differences, in float64:

# %% tags=["nbval-ignore-output"]
v, U = rng.normal(size=4), rng.normal(size=(7, 4))
_, dv, dU = skipgram_gradients(v, 2, U)
errors = (
    metrics.relative_error(dv, metrics.numerical_gradient(lambda x: skipgram_gradients(x, 2, U)[0], v)),
    metrics.relative_error(dU, metrics.numerical_gradient(lambda x: skipgram_gradients(v, 2, x)[0], U)),
)
assert max(errors) < 1e-6
print("gradients of skip-gram against finite differences, relative errors:", *(f"{error:.0e}" for error in errors))

# %% [markdown]
# **On real data**, if three sentences are that: descend on all pairs of the lecture's corpus. At the start $U = 0$, so all words are
# equally likely, and the loss begins at $\log 8$ exactly. It cannot fall to 0, because the company of a word is not certain. The best
# that anybody can do is to predict each neighbour with its true share: a cross-entropy $-\sum_o q_o \log p_o$ is least where $p = q$, and is then the entropy of $q$.

# %%
c, o = training_pairs(tokens, starts, 1)
V, U, losses = 0.1 * rng.normal(size=(8, 5)), np.zeros((8, 5)), []
for _ in range(300):
    results = [skipgram_gradients(V[a], b, U) for a, b in zip(c, o, strict=True)]
    losses.append(np.mean([loss for loss, _, _ in results]))
    dV = np.zeros_like(V)
    np.add.at(dV, c, [dv for _, dv, _ in results])
    V, U = V - 0.1 * dV, U - 0.1 * sum(dU for _, _, dU in results)
best = -np.mean(np.log(X[c, o] / X[c].sum(1)))
assert np.isclose(losses[0], np.log(8)) and best < losses[-1] < 1.1 * best
curve = {"skip-gram": np.array(losses), "the best possible": np.full(300, best)}
plots.curves(
    np.arange(300),
    curve,
    xlabel="step",
    ylabel="mean loss",
    title="Skip-gram on the lecture's corpus: from log 8 to nearly the best possible",
)

# %% [markdown]
# What it predicts around *like*, beside what was counted:

# %%
for word, p, count in zip(names, outside_probabilities(V[1], U), X[1] / X[1].sum(), strict=True):
    print(f"{word:9} predicted {p:.2f}, counted {count:.2f}")
assert np.abs(outside_probabilities(V[1], U) - X[1] / X[1].sum()).max() < 0.1

# %% [markdown]
# ## B3 · CBOW: the other way round
#
# **Why.** Skip-gram predicts the window from the centre. The **continuous bag of words** predicts the centre from the window: one prediction
# for each place and not one for each pair, so it is faster, and it averages, so it is rougher with rare words. "Bag" says that the
# order in the window plays no part.
#
# $$h = \frac1m \sum_{w \in \text{context}} v_w, \qquad p(c \mid \text{context}) = \frac{\exp(u_c^\top h)}{\sum_w \exp(u_w^\top h)} .$$
#
# **The derivation.** After $h$ it is the formula of B2 with $h$ for $v_c$ and $c$ for $o$. Each of the $m$ places of the context holds $\tfrac1m$ of $h$, so by
# the chain rule $\partial J / \partial v_w = \tfrac1m\, \partial J / \partial h$, once for every place where $w$ stands.
#
# **By hand.** The context *I, deep* of *like* has $h = \tfrac12 (v_I + v_{deep})$, and each of the two gets half of $\partial J / \partial h$. In the
# context *the, the* of a word, $h = v_{the}$, and *the* gets two halves.

# %% [markdown]
# [exercise: cbow-gradients]
# Everything after the mean is the function that you have just written. The chain rule takes you back through the mean.


# %% exercise="cbow-gradients"
def cbow_gradients(context, c, V, U):
    """Loss -log p(c|context) of CBOW under the full softmax, and its gradients.

    h = mean of V[w] over the words w in context; p(c|context) = exp(u_c . h) / sum_w exp(u_w . h).
    context: (m,) word numbers, m >= 1; a word may occur several times, and counts each time. c: the centre word's
    number. V: (n, d) vectors of words that predict, U: (n, d) of words that are predicted.
    Returns (loss, dV, dU): a number and two (n, d).
    """
    ### BEGIN SOLUTION
    loss, dh, dU = skipgram_gradients(V[context].mean(0), c, U)
    dV = np.zeros_like(V)
    np.add.at(dV, context, dh / len(context))
    return loss, dV, dU
    ### END SOLUTION


# %%
check("cbow-gradients")

# %% [markdown]
# [hints: cbow-gradients]

# %% tags=["nbval-ignore-output"]
V_test, U_test, context = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)), np.array([1, 4, 1])
_, dV, dU = cbow_gradients(context, 2, V_test, U_test)
errors = (
    metrics.relative_error(dV, metrics.numerical_gradient(lambda A: cbow_gradients(context, 2, A, U_test)[0], V_test)),
    metrics.relative_error(dU, metrics.numerical_gradient(lambda A: cbow_gradients(context, 2, V_test, A)[0], U_test)),
)
assert max(errors) < 1e-6
print("gradients of CBOW against finite differences, relative errors:", *(f"{error:.0e}" for error in errors))

# %% [markdown]
# **On real data**: a few hundred steps on the lecture's corpus, with a window of 1. *I* _ *deep*: what stands between?

# %%
places = [(s[t - 1 : t + 2 : 2], s[t]) for s in sentences for t in range(1, len(s) - 1)]  # (context, centre)
V_bag, U_bag, bag_losses = 0.1 * rng.normal(size=(8, 5)), np.zeros((8, 5)), []
for _ in range(300):
    steps = [cbow_gradients(context, centre, V_bag, U_bag) for context, centre in places]
    bag_losses.append(np.mean([loss for loss, _, _ in steps]))
    V_bag, U_bag = V_bag - 0.3 * sum(dV for _, dV, _ in steps), U_bag - 0.3 * sum(dU for _, _, dU in steps)
guess = outside_probabilities(V_bag[[0, 3]].mean(0), U_bag)
print(f"loss {bag_losses[0]:.2f} to {bag_losses[-1]:.2f}; I _ deep: {names[guess.argmax()]} {guess.max():.2f}")
assert names[guess.argmax()] == "like" and np.isclose(bag_losses[0], np.log(8)) and bag_losses[-1] < 0.2

# %% [markdown]
# (Here the loss does go towards 0: in three sentences no window occurs twice with different words in the middle.)
#
# **Think.** *reticulated* occurs once, in a window of ten words. How much does its vector $v$ learn from that by CBOW, and by skip-gram?
#
# <details><summary>Answer</summary>
#
# By CBOW it is one of ten words in a mean, and receives a tenth of one gradient each time it helps to predict. By skip-gram it is the centre once, with ten pairs and a whole gradient from each. This is why skip-gram is said to be better with rare words.
#
# </details>
#
# **And the price.** Every gradient touches all rows of $U$. The time of a single pair, for growing vocabularies, up to that of the docstrings:

# %% tags=["nbval-ignore-output"]
sizes = (1_000, 3_000, 10_000, n_words)
softmax_times = [metrics.seconds(skipgram_gradients, rng.normal(size=100), 0, rng.normal(size=(n, 100))) for n in sizes]
print(*(f"{n:,} words: {1e3 * t:.2f} ms a pair;" for n, t in zip(sizes, softmax_times, strict=True)))
pairs = X_all.sum()
print(
    f"{pairs / 1e6:.0f} million pairs in these docstrings: {pairs * softmax_times[-1] / 86400:.1f} days to go through them once"
)

# %% [markdown]
# *This is a good place to stop.*

# %% [markdown]
# # C · Negative sampling
#
# ## C1 · Many small questions
#
# **Why.** The sum over the whole vocabulary makes each step expensive. **Negative sampling** asks another, smaller question: not *which of twenty thousand
# words is it?* but *is this pair real?* A true pair from the corpus should be told from $k$ pairs of the same centre word with
# **noise** words, drawn at random. Each is a yes-or-no question, a binary logistic regression with $\sigma(x) = 1/(1 + e^{-x})$:
#
# $$J = -\log \sigma(u_o^\top v_c) - \sum_{i=1}^{k} \log \sigma(-u_{j_i}^\top v_c), \qquad j_i \sim P(w) .$$
#
# (The lecture writes the *objective*, which is maximised, with expectations over $P$; this is the loss, its negative, with $k$ draws.)
#
# **The derivation.** With $\sigma'(x) = \sigma(x)(1 - \sigma(x))$, the derivative of $-\log \sigma(s)$ is $\sigma(s) - 1$. Since $\sigma(-s) = 1 - \sigma(s)$, that of $-\log
# \sigma(-s)$ is $\sigma(s)$. Both are $\sigma(s) - y$, with $y = 1$ for the true word and $y = 0$ for noise: prediction minus truth again. Number the words: $w_0 = o$ with $y_0 = 1$, and $w_i = j_i$ with $y_i = 0$ for $i = 1, \dots, k$. Hence
#
# $$\frac{\partial J}{\partial v_c} = \sum_{i=0}^{k} (\sigma(u_{w_i}^\top v_c) - y_i)\, u_{w_i}, \qquad
#   \frac{\partial J}{\partial u_w} = \sum_{i \,:\, w_i = w} (\sigma(u_w^\top v_c) - y_i)\, v_c .$$
#
# At most $k + 1$ rows of $U$ are touched. The same noise word can be drawn twice, and then it counts twice; noise can also be $o$ itself, which then is asked once with $y = 1$ and once with $y = 0$.
#
# **By hand.** All vectors 0, $k = 5$: six coin tosses, $J = 6 \log 2 = 4.159$. Keep this number in mind; it is what every training starts with.

# %% [markdown]
# [exercise: negative-sampling]
# As for the softmax, "probability minus truth" is the whole gradient: $y$ is 1 for the true word and 0 for the negatives.


# %% exercise="negative-sampling"
def negative_sampling(v_c, o, negatives, U):
    """Loss of one true pair against k noise words: -log s(u_o . v_c) - sum_j log s(-u_j . v_c), and its gradients.

    s is the logistic function. v_c: (d,). o: the number of the true outside word. negatives: (k,) word numbers; a word
    that is drawn twice counts twice, and one that happens to be o counts as a negative too. U: (n, d).
    Returns (loss, dv_c, dU): a number, (d,) and (n, d). Finite also where scores are in the thousands.
    """
    ### BEGIN SOLUTION
    words = np.append(o, negatives)  # (1 + k,)
    y = np.arange(len(words)) == 0  # true, false, ..., false: 1 and 0 in arithmetic
    scores = U[words] @ v_c
    g = expit(scores) - y  # (1 + k,)
    dU = np.zeros_like(U)
    np.add.at(dU, words, np.outer(g, v_c))
    return np.logaddexp(0, (1 - 2 * y) * scores).sum(), g @ U[words], dU
    ### END SOLUTION


# %%
check("negative-sampling")

# %% [markdown]
# [hints: negative-sampling]

# %% tags=["nbval-ignore-output"]
v, U = rng.normal(size=4), rng.normal(size=(7, 4))
noise_words = np.array([5, 1, 5, 2])  # 5 twice, and 2 is the true word
_, dv, dU = negative_sampling(v, 2, noise_words, U)
errors = (
    metrics.relative_error(dv, metrics.numerical_gradient(lambda x: negative_sampling(x, 2, noise_words, U)[0], v)),
    metrics.relative_error(dU, metrics.numerical_gradient(lambda x: negative_sampling(v, 2, noise_words, x)[0], U)),
)
assert max(errors) < 1e-6
assert np.isclose(negative_sampling(np.zeros(4), 2, noise_words[:1].repeat(5), U)[0], 6 * np.log(2))
print(
    "gradients of negative sampling against finite differences, relative errors:", *(f"{error:.0e}" for error in errors)
)

# %% [markdown]
# **What it saves.** The work no longer depends on the size of the vocabulary. (Your function returns all of $dU$, zeros included, which a
# trainer must not do; here only the $k + 1$ rows are computed.)


# %% tags=["nbval-ignore-output"]
def rows_only(v_c, words, U):
    """The gradients for v_c (d,) and for the rows `words` (1 + k,) of U."""
    u = U[words]
    g = expit(u @ v_c)
    g[0] -= 1
    return g @ u, np.outer(g, v_c)


few = rng.integers(1000, size=6)
sampling_times = [metrics.seconds(rows_only, rng.normal(size=100), few, rng.normal(size=(n, 100))) for n in sizes]
title = f"One pair among {sizes[-1]:,} words: {softmax_times[-1] / sampling_times[-1]:.0f} times faster with negative sampling"
plots.scaling(
    {"full softmax": (sizes, softmax_times), "negative sampling": (sizes, sampling_times)},
    xlabel="words in the vocabulary",
    title=title,
)

# %% [markdown]
# ## C2 · Which noise?
#
# **Why.** The noise decides what is learned. C5 will derive that the score of a pair goes to $\log \frac{p(o \mid c)}{P(o)} - \log k$: how much likelier than *noise* the pair is. So with the unigram distribution $U(w)$, the share of $w$ among all words:
#
# - $P$ *uniform*: the score is $\log p(o \mid c)$ plus a constant. *the* is in a large share of the pairs and hardly ever noise, so every word expects it.
# - $P = U$: the score is the PMI of A5, shifted. Frequency is divided out, as a word is noise $k$ times as often as it is true, a rare one as much as a frequent one.
# - In between lies the distribution of Mikolov et al., which they found best by trying:
#
# $$P(w) = U(w)^{3/4} / Z .$$
#
# It adds $-\log (P(o) / U(o))$ to the PMI. Rare words are noise more often than they occur, so they are pushed *down*, which holds against A5's weakness for rare words; frequent ones are pushed up.
#
# **By hand.** Three words, seen 1, 16 and 81 times. The powers are 1, 8 and 27, $Z = 36$. The first has 1.0 % of the corpus and 2.8 % of the noise: its scores fall by $\log 2.75 \approx 1.0$.
# The last has 82.7 % of the corpus and 75 % of the noise: its scores rise by 0.1.

# %% [markdown]
# [exercise: noise-distribution]
# One line.


# %% exercise="noise-distribution"
def noise_distribution(counts):
    """The noise distribution P(w) = U(w)^(3/4) / Z, where U is the unigram distribution.

    counts: (n,) how often each word occurs, >= 0, not all 0. Returns P: (n,) with sum 1.
    """
    ### BEGIN SOLUTION
    weights = counts**0.75
    return weights / weights.sum()
    ### END SOLUTION


# %%
check("noise-distribution")

# %% [markdown]
# [hints: noise-distribution]

# %% tags=["nbval-ignore-output"]
P = noise_distribution(corpus.counts)  # (n,)
unigram = corpus.counts / corpus.counts.sum()
gain = P / unigram
print(
    f"noise against occurrence: {corpus.words[0]!r} {gain[0]:.2f} times, a word seen {corpus.counts[-1]} times {gain[-1]:.1f} times"
)
assert gain[0] < 0.6 and gain[-1] > 2 and np.all(np.diff(gain) >= -1e-9)
ranks = np.unique(np.geomspace(1, len(P), 200).astype(int)) - 1
shares = {"as often as it occurs, U": unigram, "U to the power ¾": P, "uniform": np.full(len(P), 1 / len(P))}
plots.curves(
    np.log10(ranks + 1),
    {name: share[ranks] for name, share in shares.items()},
    xlabel="$\\log_{10}$ of the word's rank",
    ylabel="probability",
    log_y=True,
    title="The power ¾ takes noise from the frequent words and gives it to the rare ones",
)

# %% [markdown]
# Does the power matter for the vectors? That is a question for a measurement, and the table in E4 has it: on the toy world, whose vocabulary is small, the three kinds of noise hardly differ in analogies. Patient 3 of the clinic shows where they do differ.
#
# ## C3 · A fast sampler
#
# **Why.** Five noise words for each pair are hundreds of millions of draws. Each has to take a fraction of a microsecond.
#
# **By hand.** Probabilities ½, ⅓ and ⅙ side by side make a line from 0 to 1, with ends at 0.5, 0.833 and 1. The random number 0.61 falls between the first end
# and the second: word 1. To find the place among sorted ends is a binary search, 15 comparisons for 30,000 words.

# %% [markdown]
# [exercise: noise-sampler]
# Your numbers need not be those of the solution: they are judged by how often each word comes. (A loop over draws would be
# right as well; the line after the test says what yours would take for a million of them.)


# %% exercise="noise-sampler"
def draw_noise(weights, shape, rng):
    """Word numbers drawn independently, word w with probability weights[w] / (sum of weights).

    weights: (n,) >= 0, not all 0; they need not sum to 1. shape: a tuple. rng: the numpy.random.Generator to draw from.
    Returns an integer array of that shape. A word of weight 0 is never drawn; equal states of rng give equal draws.
    """
    ### BEGIN SOLUTION
    cdf = np.cumsum(weights)
    return np.searchsorted(cdf / cdf[-1], rng.random(shape), side="right")
    ### END SOLUTION


# %%
check("noise-sampler")

# %% [markdown]
# [hints: noise-sampler]

# %% [markdown]
# A million draws, judged by the **chi-squared test**. Its statistic is the sum of $(\text{seen} - \text{expected})^2 / \text{expected}$ over all words, and the p-value is the probability that right draws give at least as much. If the draws follow the
# distribution, the p-value is uniform between 0 and 1; if they do not, it is practically 0. The controls are the two distributions that it is not.

# %% tags=["nbval-ignore-output"]
from scipy.stats import chisquare

common = corpus.counts[:2000]
expected = noise_distribution(common)
seen = np.bincount(draw_noise(expected, (1_000_000,), np.random.default_rng(1)), minlength=2000)
p_values = {
    name: chisquare(seen, 1e6 * q).pvalue
    for name, q in {"U^¾": expected, "U": common / common.sum(), "uniform": np.full(2000, 1 / 2000)}.items()
}
print(*(f"against {name}: p = {p:.3g};" for name, p in p_values.items()))
assert p_values["U^¾"] > 1e-4 and p_values["U"] < 1e-9 and p_values["uniform"] < 1e-9

# %% tags=["nbval-ignore-output"]
ours = metrics.seconds(draw_noise, P, (1_000_000,), np.random.default_rng(0), repeats=3)
print(f"a million draws among {len(P):,} words: {ours:.2f} s, {1e9 * ours / 1e6:.0f} ns each")

# %% [markdown]
# ## C4 · Subsampling: thinning out frequent words
#
# **Why.** *the* takes part in a large share of all pairs, and after its ten-thousandth occurrence there is little left to learn from it. word2vec therefore drops
# occurrences of frequent words at random before it makes pairs. That saves time, and it widens the windows: the words next to a dropped one move together.
#
# **The formula**: there are two. The paper discards a word of frequency $f$ with probability $1 - \sqrt{t/f}$, so it *keeps* it with $\sqrt{t/f}$. The program that came
# with the paper, and gensim after it, keeps it with $\sqrt{t/f} + t/f$. Both are cut off at 1. The paper suggests $t = 10^{-5}$, the programs' default is $10^{-3}$, and here it is $10^{-4}$.
#
# **By hand.** A word with $f = 0.01$, at $t = 10^{-4}$: $t/f = 0.01$. The paper keeps it with probability 0.1, the program with 0.11. At $f = t$ the paper keeps all;
# the program keeps all up to $f = 2.6\, t$. (With $r = t/f$ it keeps all as long as $\sqrt r + r \ge 1$, that is $\sqrt r \ge (\sqrt 5 - 1)/2 = 0.618$, or $f \le t / 0.618^2 = 2.618\, t$.)

# %% [markdown]
# [exercise: subsampling]
# Both formulas; return the probability of *keeping* a word.


# %% exercise="subsampling"
def keep_probabilities(counts, t):
    """With which probability a word is kept when frequent words are thinned out, after the two known formulas.

    counts: (n,) >= 1. f = counts / (sum of counts). t: the threshold, e.g. 1e-4.
    Returns (paper, code), each (n,): min(1, sqrt(t / f)) as in the paper, min(1, sqrt(t / f) + t / f) as in its program.
    """
    ### BEGIN SOLUTION
    ratio = t * counts.sum() / counts
    root = np.sqrt(ratio)
    return np.minimum(root, 1), np.minimum(root + ratio, 1)
    ### END SOLUTION


# %%
check("subsampling")

# %% [markdown]
# [hints: subsampling]

# %% tags=["nbval-ignore-output"]
paper, code = keep_probabilities(corpus.counts, 1e-4)
kept = [(keep * corpus.counts).sum() / corpus.counts.sum() for keep in (paper, code)]
print(
    f"of all words {kept[0]:.0%} are kept by the paper's formula, {kept[1]:.0%} by the program's; of {corpus.words[0]!r} {paper[0]:.1%} and {code[0]:.1%}"
)
assert kept[0] < kept[1] < 0.8 and np.isclose(((1 + np.sqrt(5)) / 2) ** 2, 2.618, atol=1e-3)
plots.curves(
    np.log10(ranks + 1),
    {"paper: √(t/f)": paper[ranks], "program: √(t/f) + t/f": code[ranks]},
    xlabel="$\\log_{10}$ of the word's rank",
    ylabel="probability of being kept",
    title="Two formulas for the same purpose: the program keeps a little more",
)

# %% [markdown]
# **Think.** What happens if keeping and discarding are mixed up?
#
# <details><summary>Answer</summary>
#
# Then *the* is always kept, and every word rarer than $t$ is always dropped: it never becomes part of a pair and its vector stays at its random start. The training
# looks healthy, because the loss of frequent words falls as ever.
#
# </details>

# %% [markdown]
# ## C5 · What it learns
#
# **Why.** What do the scores $u_o^\top v_c$ converge to? Not to $\log p(o \mid c)$, because the question was another one. Levy & Goldberg (2014) found the answer, and it
# connects this part to part A.
#
# **The derivation.** Sum the loss over the corpus. The pair $(c, o)$ occurs $X_{co}$ times. As a noise pair it is expected $k\, X_c\, P(o)$ times, where $X_c = \sum_o X_{co}$ is the number
# of pairs with centre $c$. If each score $s = u_o^\top v_c$ could be chosen freely, its part of the loss is
#
# $$\ell(s) = -X_{co} \log \sigma(s) - k\, X_c\, P(o) \log \sigma(-s) .$$
#
# Its derivative, by C1, is $X_{co} (\sigma(s) - 1) + k X_c P(o)\, \sigma(s)$. It is 0 where $\sigma(s) = X_{co} / (X_{co} + k X_c P(o))$, and because $s = \log \frac{\sigma}{1 - \sigma}$,
#
# $$s = \log \frac{X_{co}}{X_c\, P(o)} - \log k .$$
#
# With $P = U$, where $U(o)$ is the share of $o$ among the *outside words* of all pairs, the first term is the PMI of A5. So **negative sampling factorises a PMI matrix, shifted by $\log k$**, without ever making it. (Words near the end of a sentence have fewer pairs, so
# shares among outside words differ a little from shares among words. And with the power ¾ there is the term of C2 besides.) The number of negatives is not only a matter of time: it shifts what is learned.
#
# **By hand.** A pair that occurs in 3 of 4 pairs of its centre, with a noise probability of ¾ and $k = 1$: $\log (0.75 / 0.75) = 0$. No more than chance: "I can't tell".

# %% [markdown]
# [exercise: optimal-scores]
# The last line of the derivation, for all pairs at once.


# %% exercise="optimal-scores"
def optimal_scores(X, P, k):
    """The scores u_o . v_c at which negative sampling's loss is smallest, if every score could be chosen freely.

    X: (n, n) counts of the pairs (c, o), floats or integers, no row all 0. P: (n,) noise distribution, > 0.
    k: negatives for each pair.
    Returns S: (n, n) with S[c, o] = log(X[c, o] / (X[c].sum() P[o])) - log k, and -inf where X[c, o] is 0.
    """
    ### BEGIN SOLUTION
    with np.errstate(divide="ignore"):  # log 0 is -inf, and meant to be
        return np.log(X / (k * X.sum(1, keepdims=True) * P))
    ### END SOLUTION


# %%
check("optimal-scores")

# %% [markdown]
# [hints: optimal-scores]

# %% [markdown]
# **Think.** What score is best for a pair that never occurs, and what will a trained model do?
#
# <details><summary>Answer</summary>
#
# With $X_{co} = 0$ only the noise term is left, and it falls for ever as the score goes to $-\infty$. A model can't go there: each vector serves in hundreds of scores at once, and the training ends. It gives such pairs clearly negative scores (E5 measures them). That is also how PPMI's
# cut at 0 can be understood: how *much* below chance a pair lies can't be known from so few counts.
#
# </details>

# %% [markdown]
# The zero of the derivative, checked by moving away from it on both sides. (Whether a *trained* model gets there is for part E to see.)

# %%
counts = rng.integers(1, 30, size=(6, 6)).astype(float)
noise = noise_distribution(counts.sum(0))
best = optimal_scores(counts, noise, 5)


def corpus_loss(s):
    """The expected loss of a corpus with these counts, as a function of freely chosen scores (6, 6)."""
    return (counts * np.logaddexp(0, -s) + 5 * counts.sum(1, keepdims=True) * noise * np.logaddexp(0, s)).sum()


slopes = metrics.numerical_gradient(corpus_loss, best)
assert np.abs(slopes).max() < 1e-4 * np.abs(metrics.numerical_gradient(corpus_loss, best + 1)).max()
assert all(corpus_loss(best + 0.1 * rng.normal(size=(6, 6))) > corpus_loss(best) for _ in range(20))

# %%
progress()

# %% [markdown]
# *This is a good place to stop.*

# %% [markdown]
# # D · Asking word vectors
#
# Before you train vectors of your own, learn to question them. **GloVe** vectors (Pennington, Socher & Manning, 2014; the subject of
# notebook 03) are ready-made: here are those of the 20,000 most frequent words of a large English corpus, 50 numbers each.

# %%
glove_words, glove_vectors = data.glove()
glove_words, glove_vectors = glove_words[:20_000], glove_vectors[:20_000].astype(np.float32)  # (n, 50)
glove_index = {word: i for i, word in enumerate(glove_words)}

# %% [markdown]
# ## D1 · Who is near?
#
# **Why.** Write $w_a$ for the one vector that a word $a$ is asked by, a row of $W$. (GloVe's are ready-made; of your own you will ask $V$, and E4 says why.) Its length says little about what the word means. So only the
# **direction** is compared:
#
# $$\cos(a, b) = \frac{w_a^\top w_b}{\|w_a\|\, \|w_b\|} .$$
#
# **By hand.** $(1, 0)$ and $(10, 10)$ have the scalar product 10, and the cosine $10 / \sqrt{200} = 0.707$. $(3, 0.5)$ has a product of only 3, but the cosine 0.986.

# %% [markdown]
# [exercise: nearest-words]
# Only directions count: what is compared is the cosine of the angle between two vectors.


# %% exercise="nearest-words"
def nearest_words(W, word, k):
    """The k other words whose vectors have the largest cosine with that of a word.

    W: (n, d) vectors, none of them 0. word: a row's number. 1 <= k <= n - 1. No two cosines are equal; one may be -1.
    Returns (ids, cosines): (k,) row numbers without `word`, and their cosines (k,), largest first.
    """
    ### BEGIN SOLUTION
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)  # (n, d)
    cosines = unit @ unit[word]  # (n,)
    cosines[word] = -np.inf
    ids = np.argsort(-cosines)[:k]
    return ids, cosines[ids]
    ### END SOLUTION


# %%
check("nearest-words")

# %% [markdown]
# [hints: nearest-words]

# %% [markdown]
# **On real data.** Neighbours of a few words by cosine:

# %%
for word in ("motel", "king", "computer", "good"):
    ids, cosines = nearest_words(glove_vectors, glove_index[word], 6)
    print(f"{word:7}", ", ".join(f"{glove_words[i]} {cosine:.2f}" for i, cosine in zip(ids, cosines, strict=True)))
assert "hotel" in [glove_words[i] for i in nearest_words(glove_vectors, glove_index["motel"], 10)[0]]

# %% [markdown]
# *motel* has found its *hotel*. And opposites? They keep the same company: vectors tell what can replace a word, not what means the same:

# %%
for word, opposite in (("high", "low"), ("large", "small"), ("hot", "cold")):
    ids = nearest_words(glove_vectors, glove_index[word], 10)[0].tolist()
    print(f"{opposite} is number {ids.index(glove_index[opposite]) + 1} among the neighbours of {word}")

# %% [markdown]
# Plain products instead of cosines prefer long vectors, and the same few words turn up more often. (What makes a vector long? Frequency is only a small part of it here: the correlation of GloVe's lengths with the logarithm of the word's rank is printed too.)

# %%
some = np.arange(0, 20_000, 40)  # 500 words
unit = glove_vectors / np.linalg.norm(glove_vectors, axis=1, keepdims=True)
hubs = {}
for name, W in {"cosine": unit, "product": glove_vectors}.items():
    scores = W[some] @ W.T
    scores[np.arange(500), some] = -np.inf
    hubs[name] = np.bincount(scores.argmax(1), minlength=20_000).max()
print(
    f"the most popular nearest neighbour is that of {hubs['cosine']} of 500 words by cosine, of {hubs['product']} by product"
)
lengths = np.linalg.norm(glove_vectors, axis=1)
by_rank = np.corrcoef(lengths, np.log(np.arange(1, 20_001)))[0, 1]
print(f"correlation of length and log rank: {by_rank:.2f}")
assert hubs["product"] > 3 * hubs["cosine"] and -0.3 < by_rank < -0.1

# %% [markdown]
# ## D2 · Analogies
#
# **Why.** Mikolov et al. (2013) noticed that *differences* of vectors mean something too. The step from *man* to *woman* is about the step from *king* to
# *queen*; that from *apple* to *apples* is about that from *car* to *cars*. If so, $a : b :: c : {?}$ can be computed:
# go from $c$ the way that leads from $a$ to $b$, and look who is there.
#
# $$d = \arg\max_x \frac{(w_b - w_a + w_c)^\top w_x}{\|w_b - w_a + w_c\|} .$$
#
# **By hand**, with the lecture's numbers, for man : woman :: king : ?

# %%
man, woman, king, queen = (np.array(v) for v in ([0.20, 0.20], [0.60, 0.30], [0.30, 0.70], [0.70, 0.80]))
print("king − man + woman =", (king - man + woman).round(2), "  and queen is", queen)
assert np.allclose(king - man + woman, queen)

# %% [markdown]
# Two things are not in the formula, and have to be.
#
# - **The candidates' length.** Read the denominator literally: $\|w_b - w_a + w_c\|$ is the same for every candidate $x$, so it changes nothing, and what is maximised is a scalar product, in which long
#   vectors win. What is meant is that all rows have *length 1*, the candidates' too; then it is a cosine.
# - **The exclusion.** $w_c$ is part of the target, so $c$ itself is always near, and $b$ too. Query words are not allowed as answers.

# %% [markdown]
# [exercise: analogy]
# Many questions at once: arrays of $a$, $b$ and $c$.


# %% exercise="analogy"
def analogy(W, a, b, c):
    """Answers to a : b :: c : ?, the word x other than a, b and c with the largest (w_b - w_a + w_c) . w_x.

    W: (n, d) vectors, none of them 0; w is a row of W scaled to length 1, also that of a candidate x.
    a, b, c: (m,) word numbers, one question each. Returns the answers' numbers (m,).
    """
    ### BEGIN SOLUTION
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)  # (n, d)
    scores = (unit[b] - unit[a] + unit[c]) @ unit.T  # (m, n)
    for words in (a, b, c):
        scores[np.arange(len(words)), words] = -np.inf
    return scores.argmax(1)
    ### END SOLUTION


# %%
check("analogy")

# %% [markdown]
# [hints: analogy]

# %%
a, b, c = (np.array([glove_index[word]]) for word in ("man", "woman", "king"))
print("man : woman :: king :", glove_words[analogy(glove_vectors, a, b, c)[0]])
target = unit[b[0]] - unit[a[0]] + unit[c[0]]
print("nearest to the target, query words included:", ", ".join(glove_words[i] for i in np.argsort(-unit @ target)[:3]))
assert glove_words[analogy(glove_vectors, a, b, c)[0]] == "queen" and np.argmax(unit @ target) == c[0]

# %% [markdown]
# **Think.** Where does *queen* come from, then, if the nearest to the target is *king*?
#
# <details><summary>Answer</summary>
#
# The step from *man* to *woman* is short, so the target is still near *king*, and so are *king*'s own neighbours. Excluding the query words turns "nearest" into "nearest of the others". How much of the success is the step, and how much is being a neighbour of $c$, is not told by one
# example; D3 counts what the exclusion is worth.
#
# </details>
#
# The lecture's other examples, with the five best answers of these vectors each:

# %%
for question in ("apple apples car", "shirt clothing chair", "car cars family"):
    x, y, z = (glove_index[word] for word in question.split())
    scores = unit @ (unit[y] - unit[x] + unit[z])
    scores[[x, y, z]] = -np.inf
    print("{} : {} :: {} :".format(*question.split()), ", ".join(glove_words[i] for i in np.argsort(-scores)[:5]))
    if z == glove_index["car"]:
        assert glove_words[scores.argmax()] == "truck" and glove_words[np.argsort(-scores)[2]] == "cars"

# %% [markdown]
# Of the three, one comes out as the lecture has it. *apple : apples :: car* gives *truck*, with *cars* third (in these texts *apple* is a firm, too). For *chair* one hopes for *furniture*, which is fourth. *car : cars :: family* gives *families*. Examples are easily chosen so that they work; a share of many questions is not.

# %% [markdown]
# ## D3 · How often is that right?
#
# **Why.** One success is an anecdote. Google's list has 19,544 questions, in five families about meaning (capitals, currencies, man and woman) and nine about grammar
# (plurals, comparatives, past tenses). Not every vocabulary can be asked all of them. Leaving the others out without a word makes small vocabularies look
# clever, so **count** them.
#
# **By hand.** Ten questions; two have a word that is not known; six of the other eight are right. That is 6 of 8 asked, and 6 of 10.

# %% [markdown]
# [exercise: analogy-accuracy]
# What cannot be asked is counted and reported, not forgotten.


# %% exercise="analogy-accuracy"
def analogy_accuracy(questions, words, W):
    """How many analogy questions are answered rightly, how many could be asked, and how many there are.

    questions: a list of [a, b, c, d], four words each, where d is the right answer. words: a list of n words; word i
    has the vector W[i], W: (n, d). A question can be asked if all four of its words are among these.
    Returns (right, asked, total), three integers; the share right / asked leaves out what was not asked,
    right / total does not.
    """
    ### BEGIN SOLUTION
    index = {word: i for i, word in enumerate(words)}
    known = [[index[word] for word in question] for question in questions if all(word in index for word in question)]
    a, b, c, d = np.array(known, dtype=int).reshape(len(known), 4).T  # (asked,) each
    return int((analogy(W, a, b, c) == d).sum()), len(known), len(questions)
    ### END SOLUTION


# %%
check("analogy-accuracy")

# %% [markdown]
# [hints: analogy-accuracy]

# %% [markdown]
# **On real data.** Google's questions to GloVe:


# %%
def ask(questions, words, W):
    """(right, asked, total) over all families of questions, 500 questions at a time to save memory."""
    rows = [row for family in questions.families.values() for row in family.tolist()]
    parts = [analogy_accuracy(rows[i : i + 500], words, W) for i in range(0, len(rows), 500)]
    return tuple(np.sum(parts, axis=0).tolist())


google = data.analogies()
right, asked, total = ask(google, glove_words, glove_vectors)
print(
    f"{right:,} of {asked:,} asked: {right / asked:.3f}; {total - asked:,} of {total:,} could not be asked; of all: {right / total:.3f}"
)

# %% [markdown]
# And with the formula taken literally, and with the query words left in. (`metrics.analogy_share` is your function with these two parts as switches.)

# %%
families, unknown = google.known(glove_words)
variants = {
    "unit rows, as meant": metrics.analogy_share(families.values(), glove_vectors),
    "literal denominator": metrics.analogy_share(families.values(), glove_vectors, unit=False),
    "query words kept": metrics.analogy_share(families.values(), glove_vectors, exclude=False),
}
assert unknown == total - asked and np.isclose(variants["unit rows, as meant"], right / asked)
assert abs(variants["unit rows, as meant"] - 0.52) < 0.01 and abs(variants["literal denominator"] - 0.29) < 0.01
plots.bars(
    list(variants.values()), list(variants), xlabel="how the formula is read", ylabel="share right",
    title="Google's questions to GloVe: rows of length 1, and no query words",
)  # fmt: skip

# %%
kinds = {
    "meaning": [rows for name, rows in families.items() if not name.startswith("gram")],
    "grammar": [rows for name, rows in families.items() if name.startswith("gram")],
}
for kind, rows in kinds.items():
    print(f"{kind}: {metrics.analogy_share(rows, glove_vectors):.3f} of {sum(map(len, rows)):,}")
shuffled = np.random.default_rng(0).permutation(glove_vectors)
control = metrics.analogy_share(families.values(), shuffled)
print(f"control, vectors shuffled among the words: {control:.4f}")
assert control < 0.01

# %% [markdown]
# ## D4 · What people say
#
# **Why.** Another judge: people. In WordSim-353 they said how *related* two words are (*coffee* and *cup* are, very), in SimLex-999 how *alike* (*old* and *new* are not at all, although they are
# related). The vectors' cosines are compared with the judgements by **Spearman's** $\rho$: the ordinary correlation, not of the numbers but of their ranks. Such numbers come from few pairs, so give them an **interval**: draw pairs anew, with replacement, a thousand
# times (the bootstrap), and see where the middle 95 % of the correlations lie. The control are the same vectors, shuffled among the words.

# %%
unit_shuffled = shuffled / np.linalg.norm(shuffled, axis=1, keepdims=True)
for name, pairs in {"WordSim-353": data.wordsim(), "SimLex-999": data.simlex()}.items():
    i, j = (np.array([glove_index.get(word, -1) for word in words]) for words in (pairs.first, pairs.second))
    known = (i >= 0) & (j >= 0)
    for W, what in ((unit, ""), (unit_shuffled, "control: ")):
        cosines = (W[i[known]] * W[j[known]]).sum(1)
        rho, (low, high) = metrics.spearman(cosines, pairs.scores[known], np.random.default_rng(0))
        print(
            f"{name:12} {what}rho {rho:.2f}, between {low:.2f} and {high:.2f}; {known.sum()} of {len(known)} pairs known"
        )
        assert (low > 0.1) == (what == "") and (rho > 0.4) == (name == "WordSim-353" and what == "")

# %% [markdown]
# These vectors agree better with people on what is related than on what is alike. One reason is at hand: windows see company, and *old* and *new* keep the same company. (It need not be the only one. The two lists have other words and were judged by other people, so part of the difference may be theirs.)
#
# ## D5 · Asking the vectors of part A
#
# **Why.** Now the SVD vectors of the docstrings can be asked as well. Here are questions in their own language: more than 5,000 about programming, such as row : rows, min : max :: argmin :
# argmax, or sin : arcsin. Take the 8,000 most frequent words, $d = 100$. The SVD is the truncated one, and PPMI and $\log(1 + X)$ are computed for the nonzero cells only.

# %%
import time

from scipy.sparse.linalg import svds


def sparse_ppmi(X):
    """PPMI of sparse counts (n, n), sparse too."""
    X, rows, columns = X.tocoo(), X.sum(1), X.sum(0)
    surprise = np.log(X.data) + np.log(X.sum()) - np.log(rows[X.row]) - np.log(columns[X.col])
    return sparse.coo_array((np.maximum(surprise, 0), (X.row, X.col)), X.shape).tocsr()


def sparse_svd_vectors(M, d):
    """svd_vectors for a sparse matrix, without its rule for the sign."""
    W, S, _ = svds(M, d, v0=np.ones(M.shape[0]))
    return W[:, ::-1] * np.sqrt(S[::-1])


# %%
with_company = np.flatnonzero(X_all[:8000, :8000].sum(1) > 0)  # a word that always stands alone has no vector
X_8000 = X_all[with_company][:, with_company]
assert np.allclose(sparse_ppmi(X_all[:3000, :3000]).toarray(), M_3000)
check_vectors = sparse_svd_vectors(sparse.csr_array(M_3000[:300, :300]), 5)
assert np.allclose(np.abs(check_vectors), np.abs(svd_vectors(M_3000[:300, :300], 5)), atol=1e-6)

# %% tags=["nbval-ignore-output"]
programming, words_8000 = data.programming_analogies(), [corpus.words[w] for w in with_company]
made_from = {"raw counts": X_8000, "log(1 + X)": X_8000.log1p(), "PPMI": sparse_ppmi(X_8000)}
svd_of, svd_seconds = {}, {}
for name, M in made_from.items():
    begun = time.perf_counter()
    svd_of[name] = sparse_svd_vectors(M, 100)
    svd_seconds[name] = time.perf_counter() - begun
svd_right = {name: ask(programming, words_8000, W) for name, W in svd_of.items()}
for name, (right, asked, total) in svd_right.items():
    print(
        f"{name:11} {right:5,} of {asked:,} asked right: {right / asked:.3f}; {total - asked:,} of {total:,} not asked"
    )
assert svd_right["raw counts"][0] < 0.85 * min(svd_right["PPMI"][0], svd_right["log(1 + X)"][0])

# %% [markdown]
# Raw counts are clearly worst, as A6 suggested. Counting done well is not a straw man: F2 puts these numbers beside those of a trained model, on the same questions.
#
# *This is a good place to stop.*

# %% [markdown]
# # E · Training
#
# ## A world whose truth is known
#
# What a real corpus says about its words is a matter of opinion. To see whether a *program* is right, use a made-up world: a grammar writes 24,000 sentences about people, places and qualities, in which gender, plural,
# capital, comparative and superlative are planted. Each concept (*king, queen, kings, queens*) has four things of its own, and a sentence brings two concepts together, each with some of its things. The forms meet their opposites: males mostly meet females, singulars plurals, and a capital a foreign country; so
# a relation lies in the company that words keep and in nothing else: no word like *she* gives it away. Frequencies fall with the rank as Zipf's law says, and every fifth sentence says nothing.

# %%
world = data.toy_world(0)
toy = world.corpus
print(f"{len(toy.tokens):,} words, {len(toy.words)} different ones; {len(world.questions):,} questions")
print(toy.text(11), "\n" + toy.text(12), "\n" + toy.text(13))
print(
    {
        name: " : ".join(rows[0][:2]) + " :: " + " : ".join(rows[0][2:])
        for name, rows in world.questions.families.items()
    }
)

# %% [markdown]
# ## E1 · Adding to the same row twice
#
# **Why.** A step takes many pairs at once. The same word occurs in several of them, and must receive all its changes. In NumPy this is a trap, and nothing warns you of it.
#
# **By hand.** A column of three zeros, and 1 is to be added to row 0 twice. `M[rows] += 1` reads row 0 twice, adds 1 to each copy, and writes both back:

# %%
M = np.zeros((3, 1))
M[np.array([0, 0])] += 1
assert M[0, 0] == 1  # not 2: one update is lost
M.T

# %% [markdown]
# [exercise: add-rows]
# `M[rows] += G` is not the answer. Find out why before you look at the hints.


# %% exercise="add-rows"
def add_rows(M, rows, G):
    """M with G[i] added to its row rows[i], for every i; a row that is named several times receives all of its G.

    M: (n, d) floats. rows: row numbers, with repetitions, an array of any shape (...). G: (..., d).
    Returns a new (n, d) with the dtype of M.
    """
    ### BEGIN SOLUTION
    d = M.shape[1]
    flat = M.ravel().copy()
    np.add.at(flat, (rows[..., None] * d + np.arange(d)).ravel(), G.ravel())  # on one axis NumPy is much faster
    return flat.reshape(M.shape)
    ### END SOLUTION


# %%
check("add-rows")

# %% [markdown]
# [hints: add-rows]

# %% [markdown]
# ## E2 · A step
#
# **Why.** One pair at a time, Python's loop would take longer than the arithmetic. $B$ pairs at a time, with $k$ negatives each, it is a few array operations.
#
# **By hand.** $B = 2$ pairs, $k = 1$: the array of outside words is $\begin{pmatrix} o_1 & j_1 \\ o_2 & j_2 \end{pmatrix}$, the truth is $y = \begin{pmatrix} 1 & 0 \\ 1 & 0 \end{pmatrix}$, and row by row
# the formulas of C1 apply.

# %% [markdown]
# [exercise: sgd-step]
# The formulas of part C for $B$ pairs at once. All gradients belong to the *old* vectors.


# %% exercise="sgd-step"
def sgd_step(V, U, c, o, negatives, lr):
    """One step of gradient descent on the summed negative-sampling loss of a batch of pairs.

    V, U: (n, d) floats. c, o: (B,) centre and outside words, negatives: (B, k) noise words, all with repetitions.
    Returns (V, U, loss): new arrays V - lr dV and U - lr dU, where dV and dU are gradients, at the old V and U, of the
    *sum* of the pairs' losses; loss is the *mean* of the pairs' losses before the step.
    """
    ### BEGIN SOLUTION
    words = np.column_stack([o, negatives])  # (B, 1 + k)
    v, u = V[c], U[words]  # (B, d), (B, 1 + k, d)
    scores = np.einsum("bd,bkd->bk", v, u)
    y = np.zeros_like(scores)
    y[:, 0] = 1
    g = expit(scores) - y  # (B, 1 + k)
    loss = np.logaddexp(0, (1 - 2 * y) * scores).sum(1).mean()
    dv, du = np.einsum("bk,bkd->bd", g, u), g[:, :, None] * v[:, None, :]
    return add_rows(V, c, -lr * dv), add_rows(U, words, -lr * du), loss
    ### END SOLUTION


# %%
check("sgd-step")

# %% [markdown]
# [hints: sgd-step]

# %% [markdown]
# The rungs agree: the step is that of `negative_sampling`, pair by pair, from the same old vectors. Words are repeated here on purpose.

# %%
V, U = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
c, o, j = np.array([0, 0, 0, 1]), np.array([1, 2, 1, 0]), np.array([[3, 3], [4, 1], [3, 4], [5, 5]])
V_new, U_new, loss = sgd_step(V, U, c, o, j, 0.1)
singles = [negative_sampling(V[a], b, row, U) for a, b, row in zip(c, o, j, strict=True)]
assert np.allclose(U_new, U - 0.1 * sum(dU for _, _, dU in singles)) and np.isclose(
    loss, np.mean([one[0] for one in singles])
)
slope = metrics.numerical_gradient(lambda A: len(c) * sgd_step(A, U, c, o, j, 0.0)[2], V)
assert metrics.relative_error((V - V_new) / 0.1, slope) < 1e-6

# %% [markdown]
# ## E3 · Once through the pairs
#
# **Why.** Early steps may be bold, late ones should settle: the learning rate falls linearly.
#
# **By hand.** Ten pairs, batches of 4: steps on pairs 0–3, 4–7 and 8–9, $T = 3$. From 0.1 to 0.04 the rates are 0.1, 0.08 and 0.06. (The next pass then begins at 0.04.)

# %% [markdown]
# [exercise: sgd-pass]
# The loop over batches. The last batch may be shorter.


# %% exercise="sgd-pass"
def sgd_pass(V, U, c, o, negatives, first_rate, last_rate, batch):
    """Steps over all pairs in their order, `batch` pairs at a time, with a rate that falls (or grows) linearly.

    V, U: (n, d). c, o: (m,), negatives: (m, k), m >= 1. There are T = ceil(m / batch) steps; step t = 0, ..., T - 1 has
    the learning rate first_rate + (last_rate - first_rate) t / T.
    Returns (V, U, losses): the last V and U, and the losses (T,) that the steps gave back.
    """
    ### BEGIN SOLUTION
    n_steps, losses = -(-len(c) // batch), []
    for t in range(n_steps):
        part = slice(t * batch, (t + 1) * batch)
        lr = first_rate + (last_rate - first_rate) * t / n_steps
        V, U, loss = sgd_step(V, U, c[part], o[part], negatives[part], lr)
        losses.append(loss)
    return V, U, np.array(losses)
    ### END SOLUTION


# %%
check("sgd-pass")

# %% [markdown]
# [hints: sgd-pass]

# %% [markdown]
# ## E4 · The trainer
#
# **Why.** All pieces are there. One decision is left: the order of the pairs. Sentences are shuffled, but the pairs of a sentence stay together, as they do when a corpus is read.
#
# **Think.** What would shuffling *all* pairs change for who made the error of E1?
#
# <details><summary>Answer</summary>
#
# A centre word has about ten pairs in its sentence. Kept together they lie in one batch, and with lost updates nine in ten of them are lost. Shuffled, a word is repeated in a batch only as often as its frequency has it, so each row loses fewer of its changes, and the error shows less. It would wait for larger batches.
#
# </details>

# %% [markdown]
# [exercise: train]
# Everything you have is put together. Random numbers all come from the `rng` that is given, so that a seed tells the whole
# training: the same one gives the same vectors, another one others.


# %% exercise="train"
def train(tokens, starts, n_words, rng, d=32, window=5, k=5, epochs=6, lr=0.05, batch=256):
    """Skip-gram with negative sampling: word vectors from a corpus.

    tokens (n,) integers and starts (sentences + 1,), as in `training_pairs`, at least two words to a sentence.
    Start: V uniform between -1/(2d) and 1/(2d), U all 0. An epoch takes the sentences in a new random order, that of
    rng.permutation(number of sentences), so that the pairs of a sentence stay together; makes its pairs, draws k noise
    words for each from U(w)^(3/4)/Z of the corpus, and takes one sgd_pass over them. Over the E epochs the rate falls
    linearly from lr to 0: step t of all T steps has lr (1 - t / T).
    All random numbers come from rng, in this order: V by rng.random or rng.uniform, then epoch by epoch the order of
    the sentences and the noise.
    Returns (V, U, losses): (n_words, d) floats each, and the loss of every step (T,). epochs = 0 returns the start.
    """
    ### BEGIN SOLUTION
    V = (rng.random((n_words, d), np.float32) - 0.5) / d
    U, losses = np.zeros_like(V), np.zeros(0)
    noise = noise_distribution(np.bincount(tokens, minlength=n_words))
    sentences = np.split(tokens, starts[1:-1])
    for epoch in range(epochs):
        shuffled = [sentences[i] for i in rng.permutation(len(sentences))]
        bounds = np.append(0, np.cumsum([len(sentence) for sentence in shuffled]))
        c, o = training_pairs(np.concatenate(shuffled), bounds, window)
        rates = lr * (1 - epoch / epochs), lr * (1 - (epoch + 1) / epochs)
        V, U, more = sgd_pass(V, U, c, o, draw_noise(noise, (len(c), k), rng), *rates, batch)
        losses = np.append(losses, more)
    return V, U, losses
    ### END SOLUTION


# %%
check("train")

# %% [markdown]
# [hints: train]

# %% [markdown]
# **On the toy world**, with the defaults. On a quiet computer this takes about ten seconds if your `add_rows` adds on one axis (the third hint of E1), about
# twenty if it does not, and several times as long on a busy one. The loss of the first step is $6 \log 2 = 4.159$, as said in C1.

# %% tags=["nbval-ignore-output"]
V, U, losses = train(toy.tokens, toy.starts, len(toy.words), np.random.default_rng(100))
right, asked, total = ask(world.questions, toy.words, V)
print(f"{right:,} of {total:,} questions right: {right / total:.3f}")
assert asked == total and abs(losses[0] - 6 * np.log(2)) < 1e-3
assert right / total > 0.95

# %%
smooth = losses[: len(losses) // 200 * 200].reshape(-1, 200).mean(1)
plots.curves(
    np.arange(len(smooth)) * 200, {"mean loss of 200 steps": smooth}, xlabel="step", ylabel="loss",
    title="The loss falls quickly at first, and then slowly for a long time",
)  # fmt: skip

# %% [markdown]
# (The curve begins near 3.1 and not at 4.159: its first point is the mean of 200 steps, and these are the ones in which the loss falls fastest.) For most of its life the curve is nearly flat. *A loss that hardly moves does not mean that nothing is learned.* And does another kind of error
# show in the loss? The next table has five seeds of the world and of the trainer, and trainers that are wrong on purpose (measured beforehand by `benchmarks/word2vec.py toy` in the course's repository, on the machine that is named).

# %%
toy_table = data.results("word2vec_toy")
shares = {name: np.array([run["right"] for run in runs]) for name, runs in toy_table["trainers"].items()}
print(toy_table["machine"]["cpu"], "- seeds", [run["seed"] for run in toy_table["trainers"]["right"]])
for name, runs in toy_table["trainers"].items():
    ends = np.mean([run["last_loss"] for run in runs])
    print(f"{name:26} right {shares[name].mean():.3f} ± {shares[name].std(ddof=1):.3f}   last loss {ends:.2f}")
assert shares["right"].min() >= 0.95 and len(shares["right"]) == 5
assert shares["half the epochs"].max() < shares["right"].min()
assert max(shares[name].max() for name in ("lost updates", "one matrix for both roles", "no negatives")) <= 0.80
mean = {name: share.mean() for name, share in shares.items()}
assert abs(mean["window to one side"] - mean["half the epochs"]) < 0.03
assert 0.03 < mean["right"] - mean["one side, twice the epochs"] < 0.08
assert max(abs(mean[name] - mean["right"]) for name in ("uniform noise", "noise as frequent as words")) < 0.02

# %% [markdown]
# - **Half the epochs**: hardly a difference in the loss, a clear one in what was learned.
# - **Lost updates** end with a loss that nobody would notice, and more than half the answers gone.
# - **One matrix for both roles** has a loss near the start's. Most of the best scores are negative (E5 prints the share), and those of $V V^\top$ can't be negative on average (B1). Part of the damage is built into this world, where the forms of a concept meet their opposites and hardly ever their like. On other text one matrix may do less harm.
# - **No negatives**: the loss goes to 0, the best of all, and nothing is learned. Pushing everything together is perfect.
# - **A window to one side** has half the pairs, and so half the steps: it belongs beside *half the epochs*, from which it does not differ clearly. With *twice* the epochs it has as many steps as the right trainer, and what still separates the two, about five hundredths, is due to the missing side. It is not more, for this world's sentences make both sides alike.
# - **The noise**: uniform, ¾ or as frequent as words, the shares differ by less than 0.02. A small world can't show everything; C2 judges the distribution by itself.
#
# **Which vectors?** Training made two for each word, and only $V$ was asked. Words with the same outside words get similar $v$. But $U$ describes words too, by the centres that they stand beside, and here the company goes both ways:

# %%
toy_families, _ = world.questions.known(toy.words)
asked_by = {
    name: metrics.analogy_share(toy_families.values(), W) for name, W in {"V": V, "U": U, "V + U": V + U}.items()
}
kept = metrics.analogy_share(toy_families.values(), V, exclude=False)
longer = metrics.analogy_share(toy_families.values(), V, unit=False)
print("; ".join(f"{name}: {share:.3f}" for name, share in asked_by.items()))
print(f"V with the query words kept {kept:.3f}, with rows not at length 1 {longer:.3f}")
assert kept < asked_by["V"] - 0.05 and min(asked_by["V"], asked_by["U"]) > 0.95 > asked_by["V + U"] + 0.2

# %% [markdown]
# **Think.** $V$ and $U$ do equally well, and their sum is far worse. How can that be?
#
# <details><summary>Answer</summary>
#
# A large $u_o^\top v_c$ says that $c$ and $o$ stand side by side, so $u_{king}$ points to the $v$ of the words beside *king*, and in this world these are his opposites. $v_{king} + u_{king}$ mixes a word with its company, and what told *king* from *queen* cancels. In ordinary text a word's company is not its opposite, and sums of both
# vectors are in use (GloVe's are sums).
#
# </details>

# %% [markdown]
# ## E5 · Is it the shifted PMI?
#
# **Why.** C5 said where the scores go, if they are free. Here they are $397 \times 397$ scores made of vectors with 32 numbers, so they are not free, and the training is finite. How near do they come?

# %%
i, j, x = sparse_counts(*training_pairs(toy.tokens, toy.starts, 5), len(toy.words))
X_toy = np.zeros((len(toy.words), len(toy.words)))
X_toy[i, j] = x
aim, scores = optimal_scores(X_toy, noise_distribution(toy.counts), 5), V @ U.T  # (n, n) each
for least in (1, 10, 50):
    cells = X_toy >= least
    print(
        f"pairs seen {least:2} times or more: {cells.sum():6,}, correlation {np.corrcoef(aim[cells], scores[cells])[0, 1]:.3f}"
    )
often, never = X_toy >= 50, X_toy == 0
control = np.corrcoef(aim[often], (V @ np.roll(U, 1, axis=0).T)[often])[0, 1]
print(f"control, each u the next word's: {control:.3f} where seen 50 times or more")
print(
    f"{never.mean():.0%} of the pairs were never seen: best score -inf, learned {scores[never].mean():.1f} on average"
)
print(f"{(aim < 0).mean():.0%} of the best scores are negative")
assert np.corrcoef(aim[often], scores[often])[0, 1] > 0.95 and abs(control) < 0.5 and (aim < 0).mean() > 0.8

# %%
edges = np.quantile(aim[often], np.linspace(0, 1, 21))
group = np.searchsorted(edges[1:-1], aim[often])  # (cells,): twenty groups of equally many pairs
middle = np.array([aim[often][group == g].mean() for g in range(20)])
spread = {
    name: np.array([np.quantile(scores[often][group == g], q) for g in range(20)])
    for name, q in {"learned: 10th percentile": 0.1, "median": 0.5, "90th percentile": 0.9}.items()
}
assert spread["90th percentile"][-1] < middle[-1] and abs(middle[:15] - spread["median"][:15]).max() < 0.15
plots.curves(
    middle, {"theory": middle} | spread, xlabel="best score", ylabel="score $u_o^\\top v_c$",
    title="Pairs seen 50 times or more: near the theory, but the largest stay below it",
)  # fmt: skip

# %% [markdown]
# For pairs that were seen often the learned score is nearly the best one, the PMI shifted by $\log k$ and by C2's term, except at the upper end: where the theory says 1.8, the median is 1.3, and nine tenths of the scores lie lower than they should. Peaks are what few numbers and a
# finite training do not reach (which of the two is to blame is not shown here). For rare pairs the agreement is worse. But how well could it be? Ask the corpus itself: do the two halves of its sentences agree about their best scores?

# %%
halves = [data.Corpus.of(some, toy.words) for some in (toy.sentences[:12_000], toy.sentences[12_000:])]
X_1, X_2 = (corpus_counts(half, 5, len(toy.words)).toarray() for half in halves)
aim_1, aim_2 = (optimal_scores(counts, noise_distribution(toy.counts), 5) for counts in (X_1, X_2))
for seen, cells in {"3 to 9 times": (X_1 >= 3) & (X_1 < 10), "25 times or more": X_1 >= 25}.items():
    cells &= X_2 > 0
    agreement = np.corrcoef(aim_1[cells], aim_2[cells])[0, 1]
    print(f"pairs seen {seen} in the first half: correlation of the two halves' best scores {agreement:.2f}")
    assert (agreement > 0.9) == (seen == "25 times or more")

# %% [markdown]
# They agree well about pairs that are seen often, and much less about rare ones: a good part of a small count is chance. So a model that followed the rare counts to the last digit would learn some of the chance too.
#
# ## E6 · Looking at it
#
# The map of this world by *your own* t-SNE of notebook 01, on unit vectors. Where an exercise there is unsolved, a library's function is taken; the table says which:

# %% tags=["nbval-ignore-output"]
notebook_01 = earlier("01_sne_to_tsne")
notebook_01

# %% tags=["nbval-ignore-output"]
unit_V = V / np.linalg.norm(V, axis=1, keepdims=True)
toy_map, _ = notebook_01.tsne(unit_V.astype(float), perplexity=15.0, n_iter=350)
kind = np.full(len(toy.words), "thing", dtype=object)
kind[:20] = "function word"
for family, rows in world.questions.families.items():
    what = "place" if family == "capital" else "quality" if family in ("comparative", "superlative") else "person"
    kind[[toy.index[word] for word in np.unique(rows)]] = what
shown = "king queen kings queens lion lioness lions hens france paris italy rome peru lima big bigger biggest coldest the of"
plots.scatter_map(
    toy_map,
    kind.astype(str),
    notes={word: toy_map[toy.index[word]] for word in shown.split()},
    title="The toy world by t-SNE: kinds lie together, people in small clumps among things",
)

# %% [markdown]
# Countries and capitals lie in two halves of one region. Lions and hens are *persons* here: the grammar treats animals so.

# %%
same_kind = metrics.same_class_neighbours(toy_map, kind.astype(str))
control = metrics.same_class_neighbours(toy_map, np.random.default_rng(0).permutation(kind.astype(str)))
print(f"ten map neighbours of the same kind: {same_kind:.0%}; kinds shuffled: {control:.0%}")
assert same_kind > 0.7 > control + 0.2

# %%
progress()

# %% [markdown]
# *This is a good place to stop.*

# %% [markdown]
# # F · Scale, and what it is good for
#
# ## F1 · Shared negatives
#
# **Why.** The trainer of part E spends its time on fetching rows, not on arithmetic: for every pair, $k + 2$ vectors are gathered from memory and added back. For millions of words
# that is too slow. Two observations help. Thirty-two neighbouring centre words with a window of 5 have all their outside words among the same 42 places, so fetch these once for all of them: a **block**. And noise is noise, so let the
# whole block share one set of $s$ noise words $w_1, \dots, w_s$. Each centre meets them all, weighted so that every true pair has, as before, $k$ negatives' worth of noise:
#
# $$J_{\text{block}} = \sum_{(i, j) \text{ a pair}} -\log \sigma(u_j^\top v_i) \; + \; \sum_i \frac{k}{s}\, m_i \sum_{l=1}^{s} -\log \sigma(-u_{w_l}^\top v_i),
#   \qquad m_i = \text{number of pairs of centre } i .$$
#
# Now all scores of a block are *one matrix product*, and so is each gradient. Many blocks together are a batched product, which is what a CPU's vector units and a graphics card do best.
#
# **By hand.** A centre with $m_i = 3$ pairs, $k = 5$ and $s = 16$ shared noise words: each of these counts $\tfrac{5}{16} \cdot 3 \approx 0.94$ times, in all $15 = 3 \cdot 5$.

# %% [markdown]
# [exercise: block-gradients]
# Two batched matrix products there, two back, and no loop is needed.


# %% exercise="block-gradients"
def block_gradients(v, u, mask, k):
    """Gradients of negative sampling in blocks: the centres of a block share its contexts and its negatives.

    v: (b, n, d) centre vectors, u: (b, w + s, d) vectors of the block's w possible contexts, then of its s negatives;
    mask: (b, n, w), 1 where centre and context are a pair, else 0. All are torch floats of one dtype and device.
    A block's loss is the sum over its pairs of -log sigmoid(u . v), plus, for each centre, k / s times its number of
    pairs times the sum over the s negatives of -log sigmoid(-u . v): as many negatives a pair as if k were its own.
    Returns (dv, du): the gradients of the loss, shaped as v and u.
    """
    ### BEGIN SOLUTION
    w = mask.shape[2]
    g = torch.sigmoid(v @ u.mT)  # (b, n, w + s)
    share = k / (u.shape[1] - w) * mask.sum(2, keepdim=True)  # (b, n, 1)
    g = torch.cat([(g[:, :, :w] - 1) * mask, g[:, :, w:] * share], 2)
    return g @ u, g.mT @ v
    ### END SOLUTION


# %%
check("block-gradients")

# %% [markdown]
# [hints: block-gradients]

# %% [markdown]
# The rungs agree: with one pair a block and $s = k$, it is `negative_sampling` of part C:

# %%
v, U_test, j = rng.normal(size=4), rng.normal(size=(7, 4)), np.array([5, 1, 3])
_, dv, dU = negative_sampling(v, 2, j, U_test)
u = torch.as_tensor(U_test[[2, *j]])[None]  # (1, 1 + 3, 4): the context, then the negatives
dv_block, du_block = block_gradients(torch.as_tensor(v)[None, None], u, torch.ones(1, 1, 1, dtype=torch.float64), 3)
assert np.allclose(dv_block[0, 0], dv) and np.allclose(du_block[0], dU[[2, *j]])

# %% [markdown]
# And for whole blocks, against finite differences of the formula above, in float64:


# %% tags=["nbval-ignore-output"]
def block_loss(v, u, mask, k):
    """The sum of J_block over all blocks; shapes as in block_gradients."""
    w, scores = mask.shape[2], v @ np.swapaxes(u, 1, 2)
    noise = np.logaddexp(0, scores[:, :, w:]).sum(2) * mask.sum(2) * k / (u.shape[1] - w)
    return (mask * np.logaddexp(0, -scores[:, :, :w])).sum() + noise.sum()


v, u, mask = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 7, 4)), rng.integers(2, size=(2, 3, 5)).astype(float)
dv, du = block_gradients(*(torch.as_tensor(one) for one in (v, u, mask)), 3)  # two contexts are left for the negatives
errors = (
    metrics.relative_error(dv, metrics.numerical_gradient(lambda A: block_loss(A, u, mask, 3), v)),
    metrics.relative_error(du, metrics.numerical_gradient(lambda A: block_loss(v, A, mask, 3), u)),
)
assert max(errors) < 1e-6
print("gradients of blocks against finite differences, relative errors:", *(f"{error:.0e}" for error in errors))

# %% [markdown]
# **Think.** If sharing noise saves so much, why not one set of noise words for the whole corpus, or for thousands of centres?
#
# <details><summary>Answer</summary>
#
# The *expected* gradient would be the same. But each shared noise word then receives the pushes of thousands of pairs in one step, all computed from the same old vectors, and most words are noise in no step at all. The variance grows with the sharing. What comes of it is a patient in the clinic.
#
# </details>

# %% [markdown]
# ## F2 · A trainer for millions of words
#
# Around that, a handful of functions. The corpus is read in **chunks** of whole sentences, so that one larger than memory can be a file (NumPy's `memmap`, shown below). A chunk is cut into blocks of `BLOCK` centres. Which of the words around a block make pairs with which centre is a table of zeros and ones, the **mask**: words
# in the centre's own sentence, within a *reach* that is drawn for each centre from 1 to the window, as the paper's program does (near words then count more often).

# %%
BLOCK, SHARED, STEP = 32, 16, 96  # centres of a block, noise words of a block, blocks of a step


def chunks(corpus, size=500_000):
    """The corpus in pieces of whole sentences, about `size` words: (tokens (n,), the sentence of each (n,))."""
    first, n_sentences = 0, len(corpus.starts) - 1
    while first < n_sentences:
        last = int(np.searchsorted(corpus.starts, corpus.starts[first] + size))
        last = min(max(last, first + 1), n_sentences)
        bounds = corpus.starts[first : last + 1]
        yield np.array(corpus.tokens[bounds[0] : bounds[-1]]), np.repeat(np.arange(last - first), np.diff(bounds))
        first = last


def in_blocks(tokens, sentence, window):
    """Blocks of neighbouring centres (b, BLOCK), and the words (b, BLOCK + 2 window) around them with their sentences."""
    b, width = -(-len(tokens) // BLOCK), BLOCK + 2 * window
    ends = (window, b * BLOCK - len(tokens) + window)
    t = torch.nn.functional.pad(tokens, ends)
    s = torch.nn.functional.pad(sentence, ends, value=-1)  # the padding is in no sentence
    return t[window : window + b * BLOCK].view(b, BLOCK), t.unfold(0, width, BLOCK), s.unfold(0, width, BLOCK)


def pair_mask(sentences, window, generator):
    """Which words of a block are pairs, (b, BLOCK, width): within a reach drawn from 1 to window, in one sentence."""
    device = sentences.device
    own = sentences[:, window : window + BLOCK, None]  # (b, BLOCK, 1)
    place = torch.arange(BLOCK + 2 * window, device=device) - window - torch.arange(BLOCK, device=device)[:, None]
    reach = torch.randint(1, window + 1, own.shape, generator=generator, device=device)
    return (place.abs() <= reach) & (place != 0) & (sentences[:, None] == own) & (own >= 0)


# %%
def block_step(V, U, centres, contexts, mask, noise, k, lr):
    """One step on b blocks, in place. index_select and scatter_add_ are torch's fast ways to rows and back."""
    others = torch.cat([contexts, noise], 1)  # (b, width + SHARED)
    v = V.index_select(0, centres.reshape(-1)).view(*centres.shape, -1)
    u = U.index_select(0, others.reshape(-1)).view(*others.shape, -1)
    for M, rows, G in zip((V, U), (centres, others), block_gradients(v, u, mask.to(V.dtype), k), strict=True):
        M.scatter_add_(0, rows.reshape(-1, 1).expand(-1, M.shape[1]), G.mul_(-lr).reshape(-1, M.shape[1]))


def train_torch(corpus, d=100, window=5, k=5, epochs=5, lr=0.025, sample=1e-4, seed=0, device="cpu"):
    """Skip-gram with shared negatives. Returns V and U, (words, d) each; the same seed gives the same vectors (CPU)."""
    generator = torch.Generator(device=device).manual_seed(seed)
    V = (torch.rand((len(corpus.words), d), generator=generator, device=device) - 0.5) / d
    U = torch.zeros_like(V)
    keep = torch.tensor(keep_probabilities(np.maximum(corpus.counts, 1), sample)[1], dtype=torch.float32, device=device)
    ends = torch.tensor(np.cumsum(noise_distribution(corpus.counts)), dtype=torch.float32, device=device)
    done, total = 0, epochs * len(corpus.tokens)
    for _ in range(epochs):
        for tokens, sentence in chunks(corpus):
            tokens, sentence = (torch.as_tensor(one, device=device).long() for one in (tokens, sentence))
            kept = torch.rand(len(tokens), generator=generator, device=device) < keep[tokens]
            centres, contexts, sentences = in_blocks(tokens[kept], sentence[kept], window)
            order = torch.randperm(len(centres), generator=generator, device=device)
            for first in range(0, len(order), STEP):
                some = order[first : first + STEP]
                mask = pair_mask(sentences[some], window, generator)
                places = torch.rand((len(some), SHARED), generator=generator, device=device)
                noise = torch.searchsorted(ends, places, right=True).clamp_(max=len(ends) - 1)
                rate = lr * max(1 - (done + len(tokens) * first / len(order)) / total, 1 / 250)
                block_step(V, U, centres[some], contexts[some], mask, noise, k, rate)
            done += len(tokens)
    return V, U


# %% [markdown]
# A corner of the first block of the toy world: the first 12 centres, and the words around them. Each centre has a gap at its own place, and pairs end where its sentence ends.

# %%
few = data.Corpus.of(toy.sentences[:300], toy.words)
tokens, sentence = (torch.as_tensor(one).long() for one in next(chunks(few)))
centres, contexts, own = in_blocks(tokens, sentence, 5)
mask = pair_mask(own, 5, torch.Generator().manual_seed(0))  # (b, 32, 42)
near = [toy.words[w] if s >= 0 else "–" for w, s in zip(contexts[0, :22], own[0, :22], strict=True)]
plots.pair_mask(
    mask[0, :12, :22].numpy(), [toy.words[w] for w in centres[0, :12]], near,
    title="A block fetches each word once, and the mask says who makes a pair with whom",
)  # fmt: skip

# %% [markdown]
# **Is it right?** Its pairs, for a window of 1, are those that A2 counts, however small the chunks; the sampler passes the test of C3; the same seed gives the same vectors, another one others; and a corpus that lies
# in a file gives the same as one in memory.

# %%
import tempfile
from pathlib import Path

seen, n_chunks = np.zeros((len(toy.words), len(toy.words))), 0
for chunk in chunks(few, size=400):
    tokens, sentence = (torch.as_tensor(one).long() for one in chunk)
    centres, contexts, own = in_blocks(tokens, sentence, 1)  # a window of 1 has only one reach: nothing is by chance
    b, i, place = pair_mask(own, 1, torch.Generator().manual_seed(0)).nonzero().T
    np.add.at(seen, (centres[b, i].numpy(), contexts[b, place].numpy()), 1)
    n_chunks += 1
assert n_chunks > 5 and np.array_equal(seen, cooccurrence(few.sentences, len(toy.words), 1))

# %%
with tempfile.TemporaryDirectory() as folder:
    np.save(Path(folder) / "tokens.npy", few.tokens)
    on_disk = data.Corpus(np.load(Path(folder) / "tokens.npy", mmap_mode="r"), few.starts, few.words, few.counts)
    again, other, from_file = (
        train_torch(one, d=16, epochs=1, seed=s)[0] for one, s in ((few, 3), (few, 4), (on_disk, 3))
    )
    del on_disk
first = train_torch(few, d=16, epochs=1, seed=3)[0]
assert torch.equal(first, again) and torch.equal(first, from_file) and not torch.equal(first, other)

# %% tags=["nbval-ignore-output"]
ends = torch.tensor(np.cumsum(expected), dtype=torch.float32)
places = torch.rand(1_000_000, generator=torch.Generator().manual_seed(1))
seen = torch.bincount(torch.searchsorted(ends, places, right=True).clamp_(max=1999), minlength=2000).numpy()
assert chisquare(seen, 1e6 * expected).pvalue > 1e-4 > chisquare(seen).pvalue

# %% [markdown]
# The ladder's three rungs, pair by pair, NumPy's batches and torch's blocks: one epoch of more and more toy sentences, $d = 32$. (By its shorter reaches torch makes three fifths of the others' pairs.)


# %% tags=["nbval-ignore-output"]
def one_by_one(corpus, noise, V, U):
    """One epoch of negative sampling, pair by pair."""
    for c, o in zip(*training_pairs(corpus.tokens, corpus.starts, 5), strict=True):
        _, dv, dU = negative_sampling(V[c], o, draw_noise(noise, (5,), rng), U)
        V[c] -= 0.05 * dv
        U -= 0.05 * dU


# %% tags=["nbval-ignore-output"]
noise, zeros = noise_distribution(toy.counts), np.zeros((len(toy.words), 32))
epoch_times = {"pair by pair": ([], []), "NumPy": ([], []), "torch": ([], [])}
threads = torch.get_num_threads()
torch.set_num_threads(1)  # the products are small, and on a busy machine two threads wait for each other
for n_sentences in (30, 100, 300, 1_000, 3_000):
    part = data.Corpus.of(toy.sentences[:n_sentences], toy.words)
    spent = {
        "NumPy": metrics.seconds(train, part.tokens, part.starts, len(toy.words), rng, 32, 5, 5, 1, repeats=1),
        "torch": metrics.seconds(train_torch, part, 32, 5, 5, 1, 0.025, 1.0, repeats=1),
    }
    if n_sentences <= 300:
        spent["pair by pair"] = metrics.seconds(one_by_one, part, noise, V.copy(), zeros.copy(), repeats=1)
    for name, one in spent.items():
        epoch_times[name][0].append(len(part.tokens))
        epoch_times[name][1].append(one)
torch.set_num_threads(threads)
slow, arrays, fast = (spent for _, spent in epoch_times.values())
title = f"NumPy is {slow[2] / arrays[2]:.0f} times as fast as pair by pair, torch {arrays[-1] / fast[-1]:.1f} times as fast as NumPy"
plots.scaling(epoch_times, xlabel="words in the corpus", title=title)

# %% [markdown]
# **On real data**: five epochs of all docstrings, on one thread again.

# %% tags=["nbval-ignore-output"]
torch.set_num_threads(1)
begun = time.perf_counter()
V_doc, U_doc = (M.cpu().numpy() for M in train_torch(corpus, device=device))
seconds = time.perf_counter() - begun
torch.set_num_threads(threads)
print(f"{5 * len(corpus.tokens) / seconds / 1e6:.2f} million words a second on {device}")
right, asked, total = ask(programming, corpus.words, V_doc)
print(f"{right:,} of {asked:,} asked right: {right / asked:.3f}; {total - asked:,} of {total:,} could not be asked")
assert right / asked > 0.15

# %% [markdown]
# **Counting or predicting?** Here are the SVD vectors of D5 and these, on the same 8,000 words, $d = 100$ and the same questions. The control are these vectors, shuffled among the words.

# %% tags=["nbval-ignore-output"]
W_doc = V_doc[with_company]
rivals = svd_of | {"word2vec": W_doc, "control": np.random.default_rng(0).permutation(W_doc)}
doc_families, _ = programming.known(words_8000)
found = {name: metrics.analogy_share(doc_families.values(), W) for name, W in rivals.items()}
print(f"{sum(map(len, doc_families.values())):,} questions; control: right {found['control']:.3f}")
for name, spent in (svd_seconds | {"word2vec": seconds}).items():
    print(f"{name:11} right {found[name]:.3f}, {spent:5.1f} s")
assert found["log(1 + X)"] > found["word2vec"] + 0.02 and found["word2vec"] > found["raw counts"] + 0.05
assert found["control"] < 0.01

# %% [markdown]
# The lecture's case against SVD was that it is slow and that prediction learns better vectors. On this corpus neither holds: the SVD of $\log(1 + X)$ answers more questions, and a *truncated* SVD of a sparse matrix takes seconds. (Counting the pairs takes another second or two.) Reasons at hand:
#
# - **The text is small**, a few million words, where the papers on word2vec read a billion and more. The SVD uses all counts at once and exactly; the trainer makes five passes of small noisy steps.
# - **The costs grow with different things.** The SVD's grows with the vocabulary and the number of nonzero cells, here held to 8,000 words; the trainer's with the length of the text, and hardly with the vocabulary.
# - **Details.** The logarithm tames frequency as subsampling and the power ¾ do. Which matrix to take was chosen by these questions, and nothing was tuned for the trainer. Levy, Goldberg & Dagan (2015; see F7) tuned both sides alike and found neither ahead everywhere.
#
# Which reason weighs most is not shown here. What remains of the lecture's case: the trainer never holds a matrix, takes any amount of text, and can be one layer of a larger network.
#
# **Which questions?** Family by family, and beside it what the nearest neighbour of $c$ alone would have answered, without any step from $a$ to $b$:

# %% tags=["nbval-ignore-output"]
by_family = {}
for name, rows in doc_families.items():
    if len(rows):
        by_family[name] = [metrics.analogy_share([q], W_doc) for q in (rows, rows[:, [0, 0, 2, 3]])]
        print(f"{name:10} {by_family[name][0]:.2f}, without the step {by_family[name][1]:.2f} ({len(rows)} questions)")
assert by_family["opposite"][1] > by_family["opposite"][0]
assert all(by_family[name][0] > by_family[name][1] + 0.05 for name in ("plural", "past", "person"))

# %% [markdown]
# Two kinds of success. For *opposite* (left : right) the answer is mostly the nearest neighbour of $c$, as in D1, and the step only does *harm*; *extreme* and *inverse* look alike. So these numbers are no evidence that "opposite" is a direction. In grammar (plural, past, person) the step adds much: there it means something. *agent* (build : builder) fails
# either way. A share of right answers does not tell one kind from the other; this control does.
#
# **Five seeds, and a peer.** gensim's `Word2Vec` with the same dimensions, window, negatives, epochs, subsampling and rate (measured beforehand by `benchmarks/word2vec.py docstrings` in the course's repository, on the machine that is named, with that machine's packages, so the corpus is not quite yours; the load is how many cores were busy in the minute before a run, mostly with the run before it):

# %%
bench = data.results("word2vec_benchmark")
by_method = {name: [run for run in bench["runs"] if run["method"] == name] for name in ("torch", "gensim")}
print(
    f"{bench['machine']['cpu']}, {bench['corpus']['words']:,} words, {bench['corpus']['vocabulary']:,} different ones"
)
speed = {name: np.median([run["words_per_second"] for run in runs]) for name, runs in by_method.items()}
hits = {name: np.array([run["right"] / run["asked"] for run in runs]) for name, runs in by_method.items()}
print(
    f"{bench['settings']['epochs']} epochs, {bench['machine']['threads']} threads each, seeds",
    [run["seed"] for run in by_method["torch"]],
)
for name in by_method:
    print(
        f"{name:7} {speed[name] / 1e3:6,.0f} thousand words a second, right {hits[name].mean():.3f} ± {hits[name].std(ddof=1):.3f}"
    )
loads = [run["load_before"] for run in bench["runs"]]
print(f"{bench['machine']['cores']} cores; load before a run {min(loads):.1f} to {max(loads):.1f}")
print(f"torch is {speed['torch'] / speed['gensim']:.1f} times as fast")
assert speed["torch"] > speed["gensim"] and hits["torch"].mean() >= hits["gensim"].mean() - 0.02

# %% [markdown]
# ## F3 · A word that was not there
#
# **Why.** The lecture promises that new words and sentences are easily added. Keep all vectors as they are, and learn one new $v$: the loss of C1 with fixed $U$ is *logistic
# regression* with $d$ weights. It is convex, so there is nothing to get stuck in. (With fewer rows than weights the true and the noise words can be separated, the minimum lies at infinity, and the number of steps decides how far $v$ goes.)
#
# **By hand.** One context with $u = (1, 0)$, one noise word with $u = (0, 2)$, $v = 0$, rate 1. Both probabilities are ½, so $g = (\tfrac12 - 1)(1, 0) + \tfrac12 (0, 2) = (-\tfrac12, 1)$, and the new $v = (\tfrac12, -1)$.

# %% [markdown]
# [exercise: new-word]
# Only one vector is learned; all others stand still. What is left is logistic regression, as in a first course.


# %% exercise="new-word"
def new_word(contexts, negatives, U, n_steps, lr):
    """The vector of a new word, learned from the words around it, with all other vectors left alone.

    contexts: (m,) the words seen around it, with repetitions. negatives: (m, k) noise words. U: (n, d).
    Start at v = 0; n_steps times (perhaps 0): v <- v - lr g, where g is the gradient at v of the negative-sampling loss,
    *averaged* over the m pairs. Returns v: (d,).
    """
    ### BEGIN SOLUTION
    words = np.append(contexts, negatives)  # (m + m k,): append flattens
    y = np.arange(len(words)) < len(contexts)
    v = np.zeros(U.shape[1])
    for _ in range(n_steps):
        v = v - lr * (expit(U[words] @ v) - y) @ U[words] / len(contexts)
    return v
    ### END SOLUTION


# %%
check("new-word")

# %% [markdown]
# [hints: new-word]

# %% [markdown]
# A step's gradient is the difference of two runs. Against finite differences:

# %% tags=["nbval-ignore-output"]
U_test, near, far = rng.normal(size=(9, 4)), np.array([1, 4, 1]), rng.integers(9, size=(3, 2))
v_1, v_2 = (new_word(near, far, U_test, n, 0.5) for n in (1, 2))
slope = metrics.numerical_gradient(
    lambda v: np.mean([negative_sampling(v, o, j, U_test)[0] for o, j in zip(near, far, strict=True)]), v_1
)
error = metrics.relative_error((v_1 - v_2) / 0.5, slope)
assert error < 1e-6
print(f"gradient of new_word against finite differences, relative error: {error:.0e}")

# %% [markdown]
# **On real data.** Take six words, forget their vectors, and learn each anew from 5, 20, 100 or 500 words drawn from its windows. How near does it come to the vector that it had? (The words are not really new: the outside vectors of all others were trained with them in place.)
#
# Counting can do the same. **Folding in**: by $M = W S Z^\top$ the vector of a word is $w S^{1/2} = m Z S^{-1/2}$, where $m$ is its row of $M$. For a new word take the row $m$ of PPMI from its few contexts, and the old $Z$. With the *whole* row this is the old vector exactly:


# %%
M_8000, Y_8000 = sparse_ppmi(X_8000), svd_of["PPMI"]  # (n, n), and W S^½ (n, 100)
S_8000 = (Y_8000**2).sum(0)  # (100,): the squared lengths of the columns of W S^½
directions = M_8000.T @ Y_8000 / S_8000**2  # Z S^-½ = M^T (W S^½) S^-2
assert np.allclose(M_8000 @ directions, Y_8000, atol=1e-6)
outside_share = X_8000.sum(0) / X_8000.sum()


def fold_in(contexts):
    """The SVD vector of a new word from the words around it, numbers below 8,000: its PPMI row times Z S^-1/2."""
    seen, x = np.unique(contexts, return_counts=True)
    surprise = np.log(x / x.sum()) - np.log(outside_share[seen])
    return np.maximum(surprise, 0) @ directions[seen]


# %% tags=["nbval-ignore-output"]
renewed = [corpus.index[word] for word in ("columns", "gradient", "filename", "tensor", "plot", "integer")]
place_8000 = np.full(n_words, -1)
place_8000[with_company] = np.arange(len(with_company))
kept_rarely, U_far = keep_probabilities(corpus.counts, 1e-3)[1], U_doc.astype(float)


def renew(word, n, own=True):
    """Cosines of a word's vectors, learned anew and folded in, with its old ones, and the seconds that each took."""
    draw = np.random.default_rng(word)
    near = draw.choice(corpus.around(word, 5) if own else corpus.tokens, n)
    some = near[draw.random(n) < kept_rarely[near]]
    begun = time.perf_counter()
    v = new_word(some, draw_noise(P, (len(some), 5), draw), U_far, 200, 0.3)
    between = time.perf_counter()
    y = fold_in(place_8000[near][place_8000[near] >= 0])
    spent = between - begun, time.perf_counter() - between
    return cosine(v, V_doc[word]), cosine(y, Y_8000[place_8000[word]]), *spent


# %% tags=["nbval-ignore-output"]
renewals = {f"{n} of its contexts": [renew(w, n) for w in renewed] for n in (5, 20, 100, 500)}
renewals["control: 500 words from anywhere"] = [renew(w, 500, own=False) for w in renewed]
for name, rows in renewals.items():
    (learned, folded, ms_learned, ms_folded), (sd_learned, sd_folded, *_) = np.mean(rows, 0), np.std(rows, 0, ddof=1)
    print(
        f"{name:33} learned {learned:.2f} ± {sd_learned:.2f} in {1e3 * ms_learned:4.0f} ms, folded in {folded:.2f} ± {sd_folded:.2f} in {1e3 * ms_folded:.1f} ms"
    )
many, anywhere = np.mean(renewals["500 of its contexts"], 0), np.mean(renewals["control: 500 words from anywhere"], 0)
assert min(many[:2]) > 0.5 and max(anywhere[:2]) < 0.35

# %% [markdown]
# (± is the standard deviation over the six words.) Both ways give a new word a place in a fraction of a second, without moving any other, and the more contexts there are the better. So a new *word* is no argument against SVD. The difference lies elsewhere: new sentences also tell something about the *old* words, and
# new directions. The trainer can simply go on; the SVD has to be updated or made again.
#
# **New words and new sentences in the toy world.** *emperor* and *empress* come up. Their 300 sentences are copies of sentences about *king* and *queen* with the names replaced, an easy case. First as above, with all the old vectors left alone:


# %%
def sentences_of_heirs(corpus, male, female, n):
    """The first n sentences with one of two words, which new words, numbers n_words and n_words + 1, replace."""
    heirs = {corpus.index[male]: len(corpus.words), corpus.index[female]: len(corpus.words) + 1}
    named = [s for s in corpus.sentences if np.isin(list(heirs), s).any()][:n]
    return [np.array([heirs.get(w, w) for w in s]) for s in named]


news = data.Corpus.of(sentences_of_heirs(toy, "king", "queen", 300), [*toy.words, "emperor", "empress"])
c, o = training_pairs(news.tokens, news.starts, 5)
noise, learned_rows = noise_distribution(toy.counts), []
for newcomer in (len(toy.words), len(toy.words) + 1):
    near, draw = o[(c == newcomer) & (o < len(toy.words))], np.random.default_rng(newcomer)
    learned_rows.append(new_word(near, draw_noise(noise, (len(near), 5), draw), U.astype(float), 300, 0.5))
V_more = np.vstack([V, learned_rows])
x, y, z = (np.array([news.index[word]]) for word in ("king", "queen", "emperor"))
print("king : queen :: emperor :", news.words[analogy(V_more, x, y, z)[0]])
print("nearest to emperor:", [news.words[i] for i in nearest_words(V_more, z[0], 3)[0]])
assert news.words[analogy(V_more, x, y, z)[0]] == "empress"

# %% [markdown]
# Or else *go on training*, so that all words may move:


# %% tags=["nbval-ignore-output"]
def go_on(V, U, sentences, counts, rng, lr, epochs):
    """Go on training V and U (n, d) with some sentences, in which two words n and n + 1 may be new."""
    d = V.shape[1]
    V = np.vstack([V, (rng.random((2, d)) - 0.5) / d]).astype(V.dtype)
    U = np.vstack([U, np.zeros((2, d))]).astype(U.dtype)
    mixed = [sentences[i] for i in rng.permutation(len(sentences))]
    c, o = training_pairs(np.concatenate(mixed), np.append(0, np.cumsum([len(s) for s in mixed])), 5)
    noise = noise_distribution(np.append(counts, [150, 150]))
    for epoch in range(epochs):
        rates = lr * (1 - epoch / epochs), lr * (1 - (epoch + 1) / epochs)
        V, U, _ = sgd_pass(V, U, c, o, draw_noise(noise, (len(c), 5), rng), *rates, 256)
    return V, U


# %% tags=["nbval-ignore-output"]
before, after = asked_by["V"], {}
for name, sentences in {"300 new": news.sentences, "300 old": toy.sentences[:300]}.items():
    A, _ = go_on(V, U, sentences, toy.counts, np.random.default_rng(0), 0.05, 10)
    after[name] = metrics.analogy_share(toy_families.values(), A[: len(toy.words)])
    print(
        f"ten epochs of {name} sentences, from rate 0.05: the old questions {before:.3f} before, {after[name]:.3f} after"
    )
assert max(after.values()) < before - 0.02

# %% [markdown]
# The old questions suffer, but look at the control: *old* sentences, of which the model had learned, do no less harm. So it is not the news that drives out what was known. It is to start again at the full rate on few sentences, which the vectors then follow closely, chance included. Five seeds of the world and of the trainer, two
# rates, and a mixture (measured beforehand by `benchmarks/word2vec.py more-text` in the course's repository). *new* says whether the new words were learned: the mean cosine of *emperor* with *king* and of *empress* with *queen*, which should be high.

# %%
more_text = data.results("word2vec_more_text")["seeds"]
print("seeds", [one["seed"] for one in more_text], f"before: old {np.mean([one['before'] for one in more_text]):.3f}")
went_on = {}
for name in more_text[0]["runs"]:
    went_on[name] = np.array([[one["runs"][name][what] for what in ("old", "new")] for one in more_text])  # (seeds, 2)
    mean, spread = went_on[name].mean(0), went_on[name].std(0, ddof=1)
    print(f"{name:40} old {mean[0]:.3f} ± {spread[0]:.3f}   new {mean[1]:.2f} ± {spread[1]:.2f}")
fast = {name.split(", rate")[0]: one for name, one in went_on.items() if "0.05" in name}
slow = {name.split(", rate")[0]: one for name, one in went_on.items() if "0.01" in name}
assert fast["300 old"][:, 0].max() < fast["300 new"][:, 0].min() and fast["300 new, 2,700 old"][:, 0].max() < 0.8
assert all(slow[name][:, 0].mean() > fast[name][:, 0].mean() for name in fast) and slow["300 new"][:, 0].min() > 0.9
assert slow["300 new"][:, 1].mean() > 0.6 > slow["300 old"][:, 1].mean() + 0.3

# %% [markdown]
# What does harm, then, is many steps on little text. Three hundred old sentences, drawn from all topics, harm more than three hundred about one couple; perhaps because they touch more words. Mixing 2,700 old ones in, a usual remedy against *forgetting*, makes it worse here: ten times as many steps, on an eighth of the old text. With the new sentences alone and
# a lower rate, the new words are learned as well, and the old questions lose hardly anything. Before a loss is put down to "forgetting", run the control with old data.
#
# So the promise holds, with small print. A new word costs time in proportion to the *new* text only, and if the old vectors are left alone nothing is lost (though counting can do that too). Whoever goes on training should do it gently, and ask the old questions again.
#
# ## F4 · Looking at it
#
# Five hundred frequent words of the docstrings, by the t-SNE of E6. Type a word above the map (press Enter), any of the 3,000 most frequent, and see its neighbours and its place: coloured diamonds, as far as they are on the map.

# %% tags=["nbval-ignore-output"]
frequent = [w for w in range(20, 1500) if len(corpus.words[w]) > 3][:500]
map_words = [corpus.words[w] for w in frequent]
unit_doc = V_doc / np.linalg.norm(V_doc, axis=1, keepdims=True)
Y_doc, _ = notebook_01.tsne(unit_doc[frequent].astype(float), perplexity=20.0, n_iter=350)
widgets.word_explorer(
    corpus.words[:3000], V_doc[:3000], map_words, Y_doc, start="array", title="Five hundred words of the docstrings"
)

# %% [markdown]
# ## F5 · For and against
#
# **Training time grows with the corpus**, word by word; the time of counting does too. A full SVD's depends on the vocabulary alone, a sparse truncated one's also on how many pairs were ever seen. One epoch of parts of the docstrings:

# %% tags=["nbval-ignore-output"]
sizes, times = [], []
torch.set_num_threads(1)
for share in (16, 8, 4, 2):
    n_sentences = (len(corpus.starts) - 1) // share
    part = data.Corpus(
        corpus.tokens[: corpus.starts[n_sentences]], corpus.starts[: n_sentences + 1], corpus.words, corpus.counts
    )
    begun = time.perf_counter()
    train_torch(part, epochs=1, device=device)
    sizes.append(len(part.tokens))
    times.append(time.perf_counter() - begun)
torch.set_num_threads(threads)
slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
plots.scaling(
    {"one epoch": (sizes, times)},
    xlabel="words in the corpus",
    title=f"The time of training grows like the number of words to the power {slope:.1f}",
)

# %% [markdown]
# **Inefficient use of statistics**, says the lecture: every occurrence of a pair is visited one by one, five times over, where a count would do. Notebook 03 (GloVe) starts from there.
#
# **Better than one-hot?** A task: which package does a docstring come from? The names of the packages are masked. A text is described by its words as one-hot features (TF-IDF weights), or by the weighted mean of their
# vectors: learned here, or by SVD, or random ones as a control. Logistic regression decides. With how many examples of each package?

# %% tags=["nbval-ignore-output"]
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

task = data.package_task(words_8000, np.random.default_rng(0))  # 300 texts of each of eight packages
tfidf = TfidfVectorizer(vocabulary=task.words, token_pattern=r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", sublinear_tf=True)
one_hot = tfidf.fit_transform(task.texts)  # (2400, words), sparse
of_words = np.isin(words_8000, task.words)
tables = {"word2vec": W_doc[of_words], "SVD of PPMI": svd_of["PPMI"][of_words]}
tables["random"] = np.random.default_rng(1).normal(size=tables["word2vec"].shape)
features = {"one-hot": one_hot} | {name: normalize(one_hot @ normalize(W)) for name, W in tables.items()}

# %% tags=["nbval-ignore-output"]
results = {name: {n: [] for n in (2, 10, 200)} for name in features}
for split in range(3):
    for name, F in features.items():
        for n in results[name]:
            train_rows, test_rows = task.split(n, split)
            model = LogisticRegression(C=10, max_iter=200).fit(F[train_rows], task.label[train_rows])
            results[name][n].append((model.predict(F[test_rows]) == task.label[test_rows]).mean())
for name, found in results.items():
    print(
        f"{name:12}",
        *(f"  {n:3} a package: {np.mean(shares):.2f} ± {np.std(shares, ddof=1):.2f}" for n, shares in found.items()),
    )
mean = {name: {n: np.mean(shares) for n, shares in found.items()} for name, found in results.items()}
assert min(mean[name][10] for name in ("SVD of PPMI", "word2vec")) > mean["one-hot"][10] + 0.01
assert mean["one-hot"][200] > mean["word2vec"][200] + 0.01
assert all(mean[name][n] > mean["random"][n] + 0.1 for name in mean for n in mean[name] if name != "random")

# %% [markdown]
# Read the table from both ends. With *few* examples both kinds of dense vectors beat one-hot features: a word that no example contained still has a vector near those of words that some example did contain. Which of the two dense kinds is better, three splits hardly tell. With *many* examples the one-hot features have caught up: they are ahead of
# word2vec, and of SVD by no more than about the spread, if at all. The exact words are worth as much as their likeness. So the lecture's "improved performance compared to one-hot" holds for dense vectors, counted or learned, where labels are few, and not everywhere. (± is the standard deviation over three splits. No label was used for the vectors and the frequencies, but they were made
# from *all* texts, test texts included, with the packages' names still in them; so this is a task in which the unlabelled texts are known beforehand.)
#
# **Think.** Why do random vectors do better than one in eight?
#
# <details><summary>Answer</summary>
#
# A weighted sum of random vectors is still a picture of which words occurred, only blurred: 100 numbers instead of thousands, in which different words are mixed up by chance. What it lacks is that *like* words have like vectors. The distance from this control to the others is what the vectors know.
#
# </details>
#
# ## F6 · Clinic
#
# Five patients. Say what is wrong with each before you open the folded answer. Most are short trainings on 6,000 toy sentences. The code would give it away, so it is hidden (click on its bar).

# %% jupyter={"source_hidden": true}
small_world = data.Corpus.of(toy.sentences[:6000], toy.words)
pairs_c, pairs_o = training_pairs(small_world.tokens, small_world.starts, 5)


def short_run(V, U, lr=0.05, power=0.75, epochs=2):
    """Two epochs over the pairs of 6,000 sentences; returns V, U and the losses."""
    weights, losses, draw = small_world.counts**power, [], np.random.default_rng(0)
    for epoch in range(epochs):
        noise = draw_noise(weights, (len(pairs_c), 5), draw)
        rates = lr * (1 - epoch / epochs), lr * (1 - (epoch + 1) / epochs)
        V, U, more = sgd_pass(V, U, pairs_c, pairs_o, noise, *rates, 256)
        losses.append(more)
    return V, U, np.concatenate(losses)


def symptoms(patients):
    """Print each run's losses and how many of the toy world's questions it answers."""
    for name, (W, _, losses) in patients.items():
        share = metrics.analogy_share(toy_families.values(), W)
        largest = losses[np.isfinite(losses)].max()
        print(f"{name:9} loss: first {losses[0]:.3f}, largest {largest:.3g}, last {losses[-1]:.3f}; right {share:.3f}")


zeros = np.zeros((len(toy.words), 32), np.float32)
V_start = ((np.random.default_rng(4).random((len(toy.words), 32)) - 0.5) / 32).astype(np.float32)
with np.errstate(all="ignore"):
    patients = {
        "healthy": short_run(V_start, zeros),
        "patient 1": short_run(zeros, zeros),
        "patient 2": short_run(V_start, zeros, lr=0.2),
    }
charts = {name: run[2][:800].reshape(-1, 20).mean(1).clip(0, 12) for name, run in patients.items()}
plots.curves(
    20 * np.arange(40), charts, xlabel="step", ylabel="loss, cut off at 12",
    title="Two patients and a healthy run: what is wrong?",
)  # fmt: skip

# %% tags=["nbval-ignore-output"]
with np.errstate(all="ignore"):
    symptoms(patients)
assert np.allclose(patients["patient 1"][2], 6 * np.log(2)) and patients["healthy"][2].max() < 6
assert (
    not patients["patient 2"][2].max() < 100
    and metrics.analogy_share(toy_families.values(), patients["patient 2"][0]) < 0.1
)

# %% [markdown]
# <details><summary>Patient 1: a line that does not move</summary>
#
# The loss stays at $6 \log 2 = 4.159$ exactly. $V$ *and* $U$ were 0 at the start. The gradient for $v$ is a sum of $u$'s, that for $u$ a sum of $v$'s: all 0, for ever. One of the two must start at random.
#
# </details>
# <details><summary>Patient 2: higher than at the start, and then nothing</summary>
#
# The learning rate is four times what it should be. A frequent word occurs dozens of times in a batch, and receives all these steps at once: it overshoots, the next step overshoots the other way and farther, and in the end the numbers are too large for the computer (`nan`). A loss that jumps *above* its start is the early sign. It need not
# end like this: a somewhat smaller rate may jump too, and recover as the rate falls.
#
# </details>

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
patients = {"healthy": patients["healthy"], "patient 3": short_run(V_start, zeros, power=0.0)}
symptoms(patients)
hubs = {}
for name, (A, B, _) in patients.items():
    best = (A @ B.T).argmax(1)  # for every centre word, the outside word that it expects most
    hubs[name] = np.isin(best, np.arange(20)).mean()  # words 0 to 19 are the function words
print(*(f"{name}: {share:.0%} of the words expect a function word most;" for name, share in hubs.items()))
assert hubs["patient 3"] > hubs["healthy"] + 0.2

# %% [markdown]
# <details><summary>Patient 3: everybody expects "the"</summary>
#
# The noise was drawn uniformly, without the frequencies. Frequent words are then in a large share of the pairs and hardly ever noise, so the best answer is a high score for them with everything: **hubs**. By C5, the score is
# $\log p(o \mid c)$ plus a constant: what is likely beside $c$, and no longer what is *likelier* there than elsewhere. (The lower loss is no merit: noise that looks unlike the text is easy to tell from it. And the analogies hardly suffer, for they are asked of $V$.)
#
# </details>

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
things = np.arange(20, len(toy.words))
plain, by_cosine = (W @ W.T for W in (V[things], unit_V[things]))
most_popular = {}
for name, table in {"healthy": by_cosine, "patient 4": plain}.items():
    np.fill_diagonal(table, -np.inf)
    most_popular[name] = np.bincount(table.argmax(1)).max()
print(*(f"{name}: the most popular nearest neighbour is that of {n} words;" for name, n in most_popular.items()))
print("both ask the same vectors")
assert most_popular["patient 4"] > most_popular["healthy"]

# %% [markdown]
# <details><summary>Patient 4: the same neighbours again and again</summary>
#
# Neighbours by scalar product: the longest vectors are near to everything. Scale the rows to length 1.
#
# </details>

# %% jupyter={"source_hidden": true}
far_c, far_o = training_pairs(corpus.tokens[: corpus.starts[20_000]], corpus.starts[:20_001], 2)
rare_enough = keep_probabilities(corpus.counts, 1e-3)[1]
taken = np.random.default_rng(0).random(len(far_c)) < rare_enough[far_c] * rare_enough[far_o]
far_c, far_o = (torch.as_tensor(one[taken]).long() for one in (far_c, far_o))
ends = torch.tensor(np.cumsum(P))


def shared_run(block, shared, steps=120):
    """The largest entry of V after each step on 2,048 pairs, with `shared` noise words for `block` centres."""
    generator, sizes = torch.Generator().manual_seed(0), []
    V, U = (torch.rand((len(P), 32), generator=generator) - 0.5) / 32, torch.zeros(len(P), 32)
    for t in range(steps):
        c, o = (one[2048 * t % (len(far_c) - 2048) :][:2048].view(-1, block) for one in (far_c, far_o))
        places = torch.rand((len(c), shared), generator=generator, dtype=torch.float64)
        noise = torch.searchsorted(ends, places).clamp(max=len(P) - 1)
        block_step(V, U, c, o, torch.eye(block).expand(len(c), -1, -1), noise, 5, 0.025)  # centre i and context i
        sizes.append(float(V.abs().max()))
    return np.array(sizes)


charts = {"healthy": shared_run(16, 16), "patient 5": shared_run(512, 1)}
assert charts["patient 5"][-1] > 5 * charts["healthy"][-1] and np.isfinite(charts["patient 5"]).all()
plots.curves(
    np.arange(1, 121), charts, xlabel="step", ylabel="largest entry of V", log_y=True,
    title="A healthy run and patient 5, on docstrings by torch: same pairs, same rate, same k",
)  # fmt: skip

# %% [markdown]
# <details><summary>Patient 5: numbers that blow up</summary>
#
# The healthy run has 16 noise words for 16 centres; here one noise word stands for all the noise of 512 pairs. It receives $5 \cdot 512$ pushes in a single step, all from old vectors, and flies past every sensible place; the next step throws the centres after it. The *expected* gradient
# is right. Its variance, and the length of the step, are not. Share negatives among few.
#
# </details>

# %% [markdown]
# ## F7 · Where the idea went next
#
# - **Counting and predicting are kin.** Levy & Goldberg (2014), *Neural word embedding as implicit matrix factorization*, is C5; Levy, Goldberg & Dagan (2015), *Improving distributional similarity with lessons learned from word
#   embeddings*, show that most differences between methods are differences of details, such as D5's. GloVe (Pennington, Socher & Manning, 2014, *GloVe: Global vectors for word representation*) fits the counts directly: notebook 03.
# - **Parts of words.** fastText (Bojanowski et al., 2017, *Enriching word vectors with subword information*) gives vectors to pieces of words, so that a word never seen before has one at once.
# - **One vector for each *use* of a word.** ELMo (Peters et al., 2018, *Deep contextualized word representations*) and BERT (Devlin et al., 2019, *BERT: Pre-training of deep bidirectional transformers*) compute it from the sentence. A table of vectors is still there: BERT's is of pieces of words, serves at the input like $V$ and is used again in the last softmax like $U$; ELMo begins with characters, and its training ends in a softmax over words.
# - **Sentences**: Sentence-BERT (Reimers & Gurevych, 2019, *Sentence embeddings using siamese BERT-networks*): notebook 04's idea, applied to texts.
# - **Noise as a teacher.** Telling the true one from noise (Gutmann & Hyvärinen, 2010, *Noise-contrastive estimation*) became the way to learn without labels: CPC (van den Oord et al., 2018), SimCLR and CLIP, in notebooks 04 to 06. And *who occurs with
#   whom* need not be words: DeepWalk (Perozzi et al., 2014) reads walks through a network as sentences.
# - **A warning.** Vectors learn what texts hold, prejudices included: Bolukbasi et al. (2016), *Man is to computer programmer as woman is to homemaker?*; some of its drama came from query words and other choices, as in D2: Nissim et al. (2020), *Fair is better than sensational*.
#
# The method itself: Mikolov et al., 2013, *Efficient estimation of word representations in vector space* and *Distributed representations of words and phrases and their compositionality*. On analogies: Mikolov, Yih & Zweig, 2013, *Linguistic regularities in
# continuous space word representations*; Levy & Goldberg, 2014, *Linguistic regularities in sparse and explicit word representations*. The thought about company: Firth, 1957, *A synopsis of linguistic theory*.

# %%
progress()
