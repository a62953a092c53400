"""The notebooks' figures: data in, a `Picture` out (a Matplotlib figure with alternative text).

The last line of a cell shows its picture. Every function takes `title` (the one message) and `alt` (what the picture
shows, for those who do not see it; else the title and a sentence made from what is drawn).

Maps, Y (n, 2):
    scatter_map(Y, labels)               coloured by class; names=, notes={text: place}
    value_map(Y, values, value_name=)    coloured by a number
    map_with_images(Y, images, labels)   thumbnails that do not overlap, also framed by values= or groups=
    map_with_words(Y, words)             words that do not overlap; highlight=
    word_regions(Y, words, {heading: words}, radius=)   regions of such a map, from near
    maps_side_by_side(maps, labels, titles=)   small multiples

The data:
    image_row(images, captions)          pictures in one row, the first in a frame
    bars(heights, names, xlabel=, ylabel=)   bars with their heights
    strips({name: values}, xlabel=, ylabel=)   a dot for each run, and the mean
    matrix(P, classes=)                  a large matrix as a picture, rows sorted by class

Text:
    pair_mask(mask, centres, around, title=)   which words near a centre make pairs with it

Pairs of pictures:
    picture_pairs(first, second, captions, title=)   one above the other
    picture_table(pictures, headings, captions, title=)   rows and columns, e.g. of triplets
    siamese(first, second, title=)       two pictures, one network
    roc({name: (far, tar)}, title=)      true against false accepts
    distance_histograms(d, y, title=)    same and different pairs; threshold=
    pair_decision(pictures, distance, d, y, threshold, title=)   one pair among all

The method:
    heatmaps({"P": P, "Q": Q}, names=)   small matrices with the numbers in their cells
    affinity_bells(distances, {perplexity: sigma})   one point's Gaussians and its neighbours' affinities
    force_curves(distances, {"SNE": f, "t-SNE": g})  the force against distance
    curves(x, {name: y}, xlabel=, ylabel=, title=)   any few curves
    crowding({dimension: distances})     distances of pairs, in few and in many dimensions
    stencils(m, nodes, weights)          points that share their charge among the nodes of a grid

A run:
    cost_curve(costs or {name: costs}, marks={250: "exaggeration ends"})
    scaling({method: (ns, seconds)})     time against n, both logarithmic
    Watch(labels, every=50)              `with plots.Watch(labels) as watch: tsne(X, callback=watch)`
    WatchTraining(steps, {name: words})  `with plots.WatchTraining(...) as watch: train(..., callback=watch)`
"""

from __future__ import annotations

from course_utils.plots.data import bars, image_row, matrix, strips
from course_utils.plots.figure import Picture
from course_utils.plots.grids import stencils
from course_utils.plots.maps import (
    map_with_images,
    map_with_words,
    maps_side_by_side,
    scatter_map,
    value_map,
    word_regions,
)
from course_utils.plots.pairs import distance_histograms, pair_decision, picture_pairs, picture_table, roc, siamese
from course_utils.plots.runs import Watch, WatchTraining, cost_curve, scaling
from course_utils.plots.text import pair_mask
from course_utils.plots.theory import affinity_bells, crowding, curves, force_curves, heatmaps

__all__ = [
    "Picture",
    "Watch",
    "WatchTraining",
    "affinity_bells",
    "bars",
    "cost_curve",
    "crowding",
    "curves",
    "distance_histograms",
    "force_curves",
    "heatmaps",
    "image_row",
    "map_with_images",
    "map_with_words",
    "maps_side_by_side",
    "matrix",
    "pair_decision",
    "pair_mask",
    "picture_pairs",
    "picture_table",
    "roc",
    "scaling",
    "scatter_map",
    "siamese",
    "stencils",
    "strips",
    "value_map",
    "word_regions",
]
