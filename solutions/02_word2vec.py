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
# A computer knows a word as a number in a list. *King* is 3,017 and *queen* is 8,842, and nothing in these numbers says that the
# two have anything in common. In this notebook you write programs that find it out by reading: first by counting which words
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
print("‖motel − hotel‖ =", np.linalg.norm(motel - hotel).round(3), "   ‖motel − banana‖ =", np.linalg.norm(motel - banana).round(3))
assert motel @ hotel == motel @ banana == 0 and np.isclose(np.linalg.norm(motel - hotel), np.sqrt(2))

# %% [markdown]
# Every two different words are $\sqrt 2$ apart. What a program has learned about hotels says nothing to it about motels. And the
# vectors are long: a speech recogniser knows some 20,000 words, the Penn Treebank has 50,000, a large dictionary 500,000, and
# Google's collection of a trillion words has 13 million different ones. A matrix of $n \times n$ numbers for these:

# %%
for name, n in {"speech": 20_000, "Penn Treebank": 50_000, "large dictionary": 500_000, "Google 1T": 13_000_000}.items():
    print(f"{name:17} {n:>11,} words: {8 * n**2 / 1e9:>13,.0f} GB as an n × n matrix of float64")

# %% [markdown]
# ## A2 · A word by the company it keeps
#
# **Why.** Where does the meaning of a word come from? One answer has served language technology for decades: from the
# words around it. J. R. Firth (1957) said that you know a word *by the company it keeps*. Two words that keep the same company,
# *hotel* and *motel*, then get similar descriptions, although they may never meet.
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
# it. A Python loop makes about a million such pairs in a second. Real corpora have billions.
#
# **By hand.** A corpus is kept as one long array of word numbers, and an array that says where sentences begin. For the
# sentence 4 2 7 9 with window 1, the pairs (centre, outside) are (4, 2), (2, 4), (2, 7), (7, 2), (7, 9), (9, 7): the centre goes
# along the sentence, and for each centre the outside word goes along its window.

# %% [markdown]
# [exercise: training-pairs]
# No loop over the words: put the places that each word looks at into one array, and then keep those that lie inside its
# own sentence.


# %% exercise="training-pairs"
def training_pairs(tokens, starts, window):
    """All pairs of a word and a word at most `window` places away in the same sentence.

    tokens: (n,) integers, the words of all sentences end to end. starts: (sentences + 1,) integers; sentence i is
    tokens[starts[i] : starts[i + 1]], and may be empty. window: at least 1.
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
assert times["NumPy"][-1] < times["loop"][-1]
plots.scaling({name: (sizes, seconds) for name, seconds in times.items()}, title="Pairs of a corpus: a loop, and whole arrays")

# %% [markdown]
# ## A4 · A real corpus
#
# **Why.** The lecture's corpus has 8 words. Take one that you have already: the docstrings of all Python packages that this
# course installed, in lower case, sentence by sentence. (They are read once, which takes some seconds; what is in them
# differs a little from one computer to the next, and so do the numbers below.)

# %% tags=["nbval-ignore-output"]
corpus = data.docstring_corpus()
print(f"{len(corpus.tokens):,} words, {len(corpus.words):,} different ones, {len(corpus.starts) - 1:,} sentences")
print("for example:", corpus.text(1000), "/", corpus.text(70_000))
print("most frequent:", ", ".join(corpus.words[:12]))

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

    c, o: (m,) integers from 0 to n_words - 1, perhaps int32. n_words: up to a million.
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
    print(f"{end:8,} words: {growth[-1][1]:6,} different ones, {len(x):9,} different pairs, {(x == 1).mean():.0%} of them seen once")
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
print(f"{X_all.nnz:,} pairs, {X_all.nnz / n_words**2:.2%} of the cells; dense it would take {8 * n_words**2 / 1e9:.1f} GB")

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

    X: (n, n) counts >= 0, with sum N > 0; rows and columns may be all 0, and X need not be symmetric.
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
# On the lecture's table, two dimensions. Only three sentences, but *like* and *enjoy*, and *NLP* and *flying*, fall on one side:

# %%
Y = svd_vectors(X, 2)  # (8, 2)
plots.map_with_words(Y, names, title="The lecture's eight words in two dimensions, by SVD", height=4)

# %% [markdown]
# **Raw counts, or not?** Make the vectors from raw counts, and the first number of each word is little else but its frequency:

# %%
frequency = X_3000.sum(1)  # (3000,)
first = {name: svd_vectors(A, 1)[:, 0] for name, A in {"raw counts": X_3000[:1500, :1500], "PPMI": M_3000[:1500, :1500]}.items()}
explained = {name: abs(np.corrcoef(one, frequency[:1500])[0, 1]) for name, one in first.items()}
print(*(f"{name}: correlation of the first component with frequency {r:.2f};" for name, r in explained.items()))
assert explained["raw counts"] > 0.9 > explained["PPMI"] + 0.3

# %% [markdown]
# **What it costs.** A full SVD of an $n \times n$ matrix takes on the order of $n^3$ operations. Measured, and the exponent fitted
# as the slope of a straight line through the logarithms:

# %% tags=["nbval-ignore-output"]
sizes = np.array([400, 700, 1100, 1600])
seconds = np.array([metrics.seconds(np.linalg.svd, M_3000[:n, :n], repeats=2) for n in sizes])
exponent, offset = np.polyfit(np.log(sizes), np.log(seconds), 1)
vocabulary = np.exp(offset) * np.array([n_words, 1e6]) ** exponent
print(f"exponent {exponent:.2f}; so all {n_words:,} words would take {vocabulary[0] / 3600:.1f} hours, a million {vocabulary[1] / 3.15e7:.0f} years")
assert 2.2 < exponent < 3.8
plots.scaling({"full SVD": (sizes, seconds)}, title=f"The time of a full SVD grows like the vocabulary to the power {exponent:.1f}")

# %% [markdown]
# (The two extrapolations only say: out of reach.) There is a way round, used below: only $d$ of the singular vectors are wanted,
# and products of a sparse matrix with a few vectors find them. That is much cheaper. Two objections remain:
#
# - **A new word** means a new row and a new column of $M$, and changed sums everywhere: the decomposition is made again.
# - **It learns in another way than everything else in deep learning.** All data are counted first, then one factorisation of the whole
#   follows. Nothing can be learned from one more sentence, and nothing can be trained together with a network that sits on top.
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
# another's window.[¹](#slip) All rows together are the matrices $V$ and $U$. The probability that the centre word $c$ has the outside word $o$ near it is a
# **softmax** over the vocabulary:
#
# $$p(o \mid c) = \frac{\exp(u_o^\top v_c)}{\sum_{w=1}^{W} \exp(u_w^\top v_c)} .$$
#
# **By hand.** Let the scores $u_w^\top v_c$ of three words be $0$, $\log 2$ and $\log 3$. Their exponentials are 1, 2 and 3, and their
# probabilities $\tfrac16$, $\tfrac26$ and $\tfrac36$.
#
# <a id="slip"></a>¹ *The lecture's slide has a slip here: it calls $u$ and $v$ "centre" and "outside" vectors. In its own formula the vector of the centre word
# is $v_c$ and that of the outside word is $u_o$, and so it is in this notebook.*

# %% [markdown]
# [exercise: outside-probabilities]
# $e^{1000}$ is too large for a computer and $e^{-1000}$ too small, but their ratio to the largest of the sum is not.


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
# negative and tends to be the *largest* of all: the model would have to say that every word's favourite neighbour is
# itself, or make all vectors short. Part E has the measured damage.
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

# %%
v, U = rng.normal(size=4), rng.normal(size=(7, 4))
_, dv, dU = skipgram_gradients(v, 2, U)
errors = (
    metrics.relative_error(dv, metrics.numerical_gradient(lambda x: skipgram_gradients(x, 2, U)[0], v)),
    metrics.relative_error(dU, metrics.numerical_gradient(lambda x: skipgram_gradients(v, 2, x)[0], U)),
)
assert max(errors) < 1e-6
print(f"gradients of skip-gram against finite differences: relative error below {1e-6:g}")

# %% [markdown]
# **On real data**, if three sentences are that: descend on all pairs of the lecture's corpus. At the start all words are nearly
# equally likely, so the loss begins at $\log 8$. It cannot fall to 0, because the company of a word is not certain; the best
# that anybody can do is to predict each neighbour with its true share.

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
assert abs(losses[0] - np.log(8)) < 0.01 and best < losses[-1] < 1.1 * best
plots.cost_curve(np.array(losses), title=f"Skip-gram on the lecture's corpus: from log 8 towards the best possible, {best:.2f}")

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

# %%
V_test, U_test, context = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)), np.array([1, 4, 1])
_, dV, dU = cbow_gradients(context, 2, V_test, U_test)
errors = (
    metrics.relative_error(dV, metrics.numerical_gradient(lambda A: cbow_gradients(context, 2, A, U_test)[0], V_test)),
    metrics.relative_error(dU, metrics.numerical_gradient(lambda A: cbow_gradients(context, 2, V_test, A)[0], U_test)),
)
assert max(errors) < 1e-6
print(f"gradients of CBOW against finite differences: relative error below {1e-6:g}")

# %% [markdown]
# **And the price.** Every gradient touches all rows of $U$. The time of a single pair, for growing vocabularies:

# %% tags=["nbval-ignore-output"]
sizes = (1_000, 3_000, 10_000, 30_000)
softmax_times = [metrics.seconds(skipgram_gradients, rng.normal(size=100), 0, rng.normal(size=(n, 100))) for n in sizes]
print(*(f"{n:,} words: {1e3 * t:.2f} ms a pair;" for n, t in zip(sizes, softmax_times, strict=True)))
pairs = 10 * len(corpus.tokens)
print(f"{pairs / 1e6:.0f} million pairs in these docstrings: {pairs * softmax_times[-1] / 86400:.1f} days for going through them once")
assert softmax_times[-1] > 4 * softmax_times[0]

# %% [markdown]
# *This is a good place to stop.*

# %% [markdown]
# # C · Negative sampling
#
# ## C1 · Many small questions
#
# **Why.** The sum over the whole vocabulary makes each step expensive. **Negative sampling** asks another, smaller question: not *which of 30,000
# words is it?* but *is this pair real?* A true pair from the corpus should be told from $k$ pairs of the same centre word with
# **noise** words, drawn at random. Each is a yes-or-no question, a binary logistic regression with $\sigma(x) = 1/(1 + e^{-x})$:
#
# $$J = -\log \sigma(u_o^\top v_c) - \sum_{i=1}^{k} \log \sigma(-u_{j_i}^\top v_c), \qquad j_i \sim P(w) .$$
#
# (The lecture writes the *objective*, which is maximised, with expectations over $P$; this is the loss, its negative, with $k$ draws.)
#
# **The derivation.** With $\sigma'(x) = \sigma(x)(1 - \sigma(x))$, the derivative of $-\log \sigma(s)$ is $\sigma(s) - 1$. Since $\sigma(-s) = 1 - \sigma(s)$, that of $-\log
# \sigma(-s)$ is $\sigma(s)$. Both are $\sigma(s) - y$, with $y = 1$ for the true word and $y = 0$ for noise: prediction minus truth again. Hence
#
# $$\frac{\partial J}{\partial v_c} = \sum_{w \in \{o, j_1, \dots, j_k\}} (\sigma(u_w^\top v_c) - y_w)\, u_w, \qquad
#   \frac{\partial J}{\partial u_w} = \sum_{\text{places of } w} (\sigma(u_w^\top v_c) - y_w)\, v_c .$$
#
# Only $k + 1$ rows of $U$ are touched. *Places*: the same noise word can be drawn twice, and then it counts twice.
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

# %%
v, U, noise_words = rng.normal(size=4), rng.normal(size=(7, 4)), np.array([5, 1, 5, 2])  # 5 twice, and 2 is the true word
_, dv, dU = negative_sampling(v, 2, noise_words, U)
errors = (
    metrics.relative_error(dv, metrics.numerical_gradient(lambda x: negative_sampling(x, 2, noise_words, U)[0], v)),
    metrics.relative_error(dU, metrics.numerical_gradient(lambda x: negative_sampling(v, 2, noise_words, x)[0], U)),
)
assert max(errors) < 1e-6
assert np.isclose(negative_sampling(np.zeros(4), 2, noise_words[:1].repeat(5), U)[0], 6 * np.log(2))
print(f"gradients of negative sampling against finite differences: relative error below {1e-6:g}")

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
assert sampling_times[-1] < 0.1 * softmax_times[-1]
title = f"One pair among {sizes[-1]:,} words: {softmax_times[-1] / sampling_times[-1]:.0f} times faster with negative sampling"
plots.scaling({"full softmax": (sizes, softmax_times), "negative sampling": (sizes, sampling_times)}, title=title)

# %% [markdown]
# ## C2 · Which noise?
#
# **Why.** If noise words are drawn uniformly, *the*, which is in every true pair, is hardly ever noise: the model learns that *the* goes with
# everything. If they are drawn as often as they occur, rare words hardly ever serve as noise and are never told where they
# do *not* belong. In between lies the distribution of Mikolov et al., with the unigram distribution $U(w)$ (the share of $w$ among all words):
#
# $$P(w) = U(w)^{3/4} / Z .$$
#
# **By hand.** Three words, seen 1, 16 and 81 times. The powers are 1, 8 and 27, $Z = 36$. The first has 1.0 % of the corpus and 2.8 % of the noise;
# the last has 82.7 % of the corpus and 75 % of the noise.

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

# %%
P = noise_distribution(corpus.counts)  # (n,)
unigram = corpus.counts / corpus.counts.sum()
gain = P / unigram
print(f"noise against occurrence: {corpus.words[0]!r} {gain[0]:.2f} times, a word seen {corpus.counts[-1]} times {gain[-1]:.1f} times")
assert gain[0] < 0.5 and gain[-1] > 3 and np.all(np.diff(gain) >= -1e-9)
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
# ## C3 · A fast sampler
#
# **Why.** Five noise words for each pair are hundreds of millions of draws. Each has to take a fraction of a microsecond.
#
# **By hand.** Probabilities ½, ⅓ and ⅙ side by side make a line from 0 to 1, with ends at 0.5, 0.833 and 1. The random number 0.61 falls between the first end
# and the second: word 1. To find the place among sorted ends is a binary search, 15 comparisons for 30,000 words.

# %% [markdown]
# [exercise: noise-sampler]
# Your numbers need not be those of the solution: they are judged by how often each word comes.


# %% exercise="noise-sampler"
def draw_noise(weights, shape, rng):
    """Word numbers drawn independently, word w with probability weights[w] / (sum of weights).

    weights: (n,) >= 0, not all 0; they need not sum to 1. shape: a tuple. rng: the numpy.random.Generator to draw from.
    Returns an integer array of that shape. A word of weight 0 is never drawn. No loop over words or draws.
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
# A million draws, judged by the **chi-squared test**: if the draws follow the distribution, its p-value is any number between 0 and 1;
# if they do not, it is practically 0. The controls are the two distributions that it is not.

# %%
from scipy.stats import chisquare

common = corpus.counts[:2000]
expected = noise_distribution(common)
seen = np.bincount(draw_noise(expected, (1_000_000,), np.random.default_rng(1)), minlength=2000)
p_values = {name: chisquare(seen, 1e6 * q).pvalue for name, q in {"U^¾": expected, "U": common / common.sum(), "uniform": np.full(2000, 1 / 2000)}.items()}
print(*(f"against {name}: p = {p:.3g};" for name, p in p_values.items()))
assert p_values["U^¾"] > 1e-4 and p_values["U"] < 1e-9 and p_values["uniform"] < 1e-9

# %% tags=["nbval-ignore-output"]
ours = metrics.seconds(draw_noise, P, (1_000_000,), np.random.default_rng(0), repeats=3)
print(f"a million draws among {len(P):,} words: {ours:.2f} s, {1e9 * ours / 1e6:.0f} ns each")

# %% [markdown]
# ## C4 · Thinning out frequent words
#
# **Why.** *the* takes part in a large share of all pairs, and after its ten-thousandth occurrence there is little left to learn from it. word2vec therefore drops
# occurrences of frequent words at random before it makes pairs. That saves time, and it widens the windows: the words next to a dropped one move together.
#
# **The formula**: there are two. The paper discards a word of frequency $f$ with probability $1 - \sqrt{t/f}$, so it *keeps* it with $\sqrt{t/f}$. The program that came
# with the paper, and gensim after it, keeps it with $\sqrt{t/f} + t/f$. Both are cut off at 1, and $t$ is something like $10^{-4}$.
#
# **By hand.** A word with $f = 0.01$, at $t = 10^{-4}$: $t/f = 0.01$. The paper keeps it with probability 0.1, the program with 0.11. At $f = t$ the paper keeps all;
# the program keeps all up to $f = 2.6\, t$.

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

# %%
paper, code = keep_probabilities(corpus.counts, 1e-4)
kept = [(keep * corpus.counts).sum() / corpus.counts.sum() for keep in (paper, code)]
print(f"of all words {kept[0]:.0%} are kept by the paper's formula, {kept[1]:.0%} by the program's; of {corpus.words[0]!r} {paper[0]:.1%} and {code[0]:.1%}")
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
# With $P = U$ the first term is the PMI of A5. So **negative sampling factorises a PMI matrix, shifted by $\log k$**, without ever making it. The number of negatives
# is not only a matter of time: it shifts what is learned.
#
# **By hand.** A pair that occurs in 3 of 4 pairs of its centre, with a noise probability of ¾ and $k = 1$: $\log (0.75 / 0.75) = 0$. No more than chance: "I can't tell".

# %% [markdown]
# [exercise: optimal-scores]
# The last line of the derivation, for all pairs at once.


# %% exercise="optimal-scores"
def optimal_scores(X, P, k):
    """The scores u_o . v_c at which negative sampling's loss is smallest, if every score could be chosen freely.

    X: (n, n) counts of the pairs (c, o), no row all 0. P: (n,) noise distribution, > 0. k: negatives for each pair.
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
# [exercise: nearest-words]
# Only directions count: what is compared is the cosine of the angle between two vectors.


# %% exercise="nearest-words"
def nearest_words(W, word, k):
    """The k other words whose vectors have the largest cosine with that of a word.

    W: (n, d) vectors, none of them 0. word: a row's number. 1 <= k <= n - 1. No two cosines are equal.
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
# [exercise: train]
# Everything you have is put together. Random numbers all come from the `rng` that is given.


# %% exercise="train"
def train(tokens, starts, n_words, rng, d=32, window=5, k=5, epochs=6, lr=0.05, batch=256):
    """Skip-gram with negative sampling: word vectors from a corpus.

    tokens (n,) integers and starts (sentences + 1,), as in `training_pairs`, at least two words to a sentence.
    Start: V uniform between -1/(2d) and 1/(2d), U all 0. An epoch takes the sentences in a new random order (the pairs
    of a sentence stay together), makes its pairs, draws k noise words for each from U(w)^(3/4)/Z of the corpus, and takes
    one sgd_pass over them. Over the E epochs the rate falls linearly from lr to 0: step t of all T steps has lr (1 - t / T).
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
# [exercise: block-gradients]
# Two batched matrix products there, two back. No loop over blocks, centres or negatives.


# %% exercise="block-gradients"
def block_gradients(v, u, mask, k):
    """Gradients of negative sampling in blocks: the centres of a block share its contexts and its negatives.

    v: (b, n, d) centre vectors, u: (b, w + s, d) vectors of the block's w possible contexts, then of its s negatives;
    mask: (b, n, w), 1 where centre and context are a pair, else 0. All are torch floats of one dtype and device.
    A block's loss is the sum over its pairs of -log s(u . v), plus, for each centre, k / s times its number of pairs
    times the sum over the s negatives of -log s(-u . v): as many negatives for each pair as if there were k of its own.
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
# [exercise: new-word]
# Only one vector is learned; all others stand still. What is left is logistic regression, as in a first course.


# %% exercise="new-word"
def new_word(contexts, negatives, U, n_steps, lr):
    """The vector of a new word, learned from the words around it, with all other vectors left alone.

    contexts: (m,) the words seen around it, with repetitions. negatives: (m, k) noise words. U: (n, d).
    Start at v = 0; n_steps times: v <- v - lr g, where g is the gradient at v of the negative-sampling loss, *averaged*
    over the m pairs. Returns v: (d,).
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
