"""Lists that ask what word vectors know: how alike people find two words, and analogies with one right answer."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

import numpy as np

from course_utils.data.catalogue import bundled_file
from course_utils.data.corpus import Questions


@dataclass(frozen=True)
class WordPairs:
    """n pairs of words, and how alike (or how related) people found them.

    first, second  the words, in lower case
    scores         (n,) float64: the mean of the judges, from 0 to 10
    """

    first: list[str]
    second: list[str]
    scores: np.ndarray


def wordsim() -> WordPairs:
    """WordSim-353: how much two words have to do with each other ("coffee" and "cup": 6.58).

    Source: Finkelstein et al. (2002), "Placing Search in Context"; see data/word_lists/README.md.
    """
    return word_pairs("wordsim")


def simlex() -> WordPairs:
    """SimLex-999: how alike two words are; opposites are far apart ("old" and "new": 1.58).

    Source: Hill, Reichart and Korhonen (2015), "SimLex-999"; see data/word_lists/README.md.
    """
    return word_pairs("simlex")


def analogies() -> Questions:
    """Google's 19,544 analogy questions in 14 families, in lower case; the nine named gram... are about grammar.

    Source: Mikolov et al. (2013), "Efficient Estimation of Word Representations"; see data/word_lists/README.md.
    """
    families = read_lists()["analogies"]
    return Questions({name: np.char.lower(np.array(rows)) for name, rows in families.items()})


def word_pairs(name: str) -> WordPairs:
    """One of the two lists of judged pairs."""
    first, second, scores = zip(*read_lists()[name], strict=True)
    return WordPairs([word.lower() for word in first], [word.lower() for word in second], np.array(scores))


def read_lists() -> dict:
    """What the bundled file holds."""
    return json.loads(gzip.decompress(bundled_file("word_lists").read_bytes()))


def programming_analogies() -> Questions:
    """More than 5,000 questions in the language of programming, to be asked of vectors learned from docstrings.

    Grammar: plural, ing, past, person, agent, negation. Meaning: opposite, extreme, dimension, width, verb_undo,
    inverse, arg, nan. All ordered pairs of pairs of a family; see `PROGRAMMING_PAIRS`.
    """
    pairs = {family: [tuple(pair.split(":")) for pair in text.split()] for family, text in PROGRAMMING_PAIRS.items()}
    return Questions.from_pairs(pairs)


GRAMMAR = ("plural", "ing", "past", "person", "agent", "negation")

PROGRAMMING_PAIRS = {
    "plural": """row:rows column:columns array:arrays value:values index:indices matrix:matrices axis:axes
        function:functions object:objects class:classes parameter:parameters argument:arguments file:files name:names
        key:keys type:types string:strings list:lists element:elements node:nodes edge:edges vertex:vertices
        label:labels sample:samples feature:features method:methods module:modules dimension:dimensions
        entry:entries point:points""",
    "ing": """use:using return:returning compute:computing create:creating train:training call:calling
        convert:converting read:reading write:writing parse:parsing handle:handling sort:sorting index:indexing
        sample:sampling test:testing load:loading process:processing print:printing match:matching run:running
        set:setting build:building draw:drawing encode:encoding group:grouping""",
    "past": """use:used return:returned compute:computed create:created call:called convert:converted
        parse:parsed handle:handled sort:sorted load:loaded apply:applied define:defined specify:specified
        raise:raised ignore:ignored remove:removed add:added replace:replaced store:stored generate:generated
        update:updated evaluate:evaluated require:required pass:passed expect:expected""",
    "person": """return:returns compute:computes create:creates convert:converts contain:contains raise:raises
        use:uses provide:provides represent:represents define:defines generate:generates apply:applies
        perform:performs evaluate:evaluates determine:determines describe:describes implement:implements take:takes
        make:makes allow:allows""",
    "agent": """build:builder load:loader read:reader write:writer parse:parser encode:encoder decode:decoder
        optimize:optimizer schedule:scheduler convert:converter handle:handler transform:transformer
        estimate:estimator iterate:iterator generate:generator compile:compiler format:formatter call:caller
        tokenize:tokenizer vectorize:vectorizer""",
    "negation": """directed:undirected weighted:unweighted bounded:unbounded signed:unsigned known:unknown
        used:unused defined:undefined expected:unexpected changed:unchanged specified:unspecified biased:unbiased
        supported:unsupported valid:invalid dependent:independent finite:infinite correct:incorrect
        complete:incomplete mutable:immutable compatible:incompatible zero:nonzero linear:nonlinear
        negative:nonnegative positive:nonpositive trivial:nontrivial ordered:unordered""",
    "opposite": """left:right top:bottom first:last true:false minimum:maximum min:max lower:upper start:end
        before:after old:new smaller:larger less:greater input:output positive:negative horizontal:vertical
        forward:backward row:column rows:columns width:height x:y inner:outer parent:child numerator:denominator
        source:target real:imaginary even:odd ascending:descending inside:outside above:below
        beginning:end prefix:suffix client:server encoder:decoder""",
    "extreme": """min:max argmin:argmax minimum:maximum minimize:maximize smallest:largest lowest:highest
        least:most vmin:vmax xmin:xmax ymin:ymax nanmin:nanmax lower:upper minor:major below:above floor:ceil""",
    "dimension": """conv1d:conv2d conv2d:conv3d batchnorm1d:batchnorm2d batchnorm2d:batchnorm3d
        convtranspose1d:convtranspose2d convtranspose2d:convtranspose3d maxpool1d:maxpool2d maxpool2d:maxpool3d
        instancenorm1d:instancenorm2d instancenorm2d:instancenorm3d one:two""",
    "width": """float32:float64 int32:int64 complex64:complex128 uint32:uint64 float:double single:double
        int16:int32 int8:int16 uint8:uint16 float16:float32""",
    "verb_undo": """encode:decode pack:unpack flatten:unflatten compress:decompress serialize:deserialize
        pickle:unpickle register:unregister stack:unstack push:pop open:close start:stop add:remove insert:delete
        lock:unlock enable:disable attach:detach connect:disconnect read:write load:save import:export
        acquire:release show:hide include:exclude increase:decrease begin:end wrap:unwrap""",
    "inverse": """sin:arcsin cos:arccos tan:arctan sinh:arcsinh cosh:arccosh tanh:arctanh sin:asin cos:acos
        tan:atan sinh:asinh cosh:acosh tanh:atanh exp:log fft:ifft fft2:ifft2 fftn:ifftn rfft:irfft dct:idct
        square:sqrt matrix:inverse""",
    "arg": "min:argmin max:argmax sort:argsort partition:argpartition where:argwhere topk:argtopk",
    "nan": """sum:nansum mean:nanmean std:nanstd var:nanvar median:nanmedian min:nanmin max:nanmax prod:nanprod
        cumsum:nancumsum percentile:nanpercentile quantile:nanquantile argmin:nanargmin argmax:nanargmax""",
}
