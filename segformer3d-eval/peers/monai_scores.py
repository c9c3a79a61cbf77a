"""Scores the cases of an evaluation once more with MONAI and prints the largest difference of every score.

    python monai_scores.py evaluation.json PREDICTIONS LABELS

needs monai 1.3, torch, nibabel, scipy and numpy; the project itself needs none of them. LABELS is a folder with CASE.nii.gz.
"""
import json
import math
import sys

import nibabel
import numpy
import torch
from monai.metrics import (
    compute_dice,
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
    get_confusion_matrix,
)


def scores(p, t, spacing):
    """Returns MONAI's scores of two masks."""
    p = torch.from_numpy(p)[None, None].float()
    t = torch.from_numpy(t)[None, None].float()
    found = {}
    if t.any():
        found["dice"] = float(compute_dice(p, t, include_background=True))
    tp, fp, tn, fn = (float(x) for x in get_confusion_matrix(p, t).reshape(-1)[:4])
    if t.any():
        found["iou"] = tp / (tp + fp + fn)
        found["sensitivity"] = tp / (tp + fn)
    found["specificity"] = tn / (tn + fp)
    if p.any():
        found["precision"] = tp / (tp + fp)
    if p.any() and t.any():
        def distance(f, **more):
            return float(f(p, t, include_background=True, spacing=spacing, **more).reshape(-1)[0])

        found["hd_mm"] = distance(compute_hausdorff_distance)
        found["hd95_mm"] = distance(compute_hausdorff_distance, percentile=95)
        found["hd95_directed_mm"] = distance(compute_hausdorff_distance, percentile=95, directed=True)
        found["asd_mm"] = distance(compute_average_surface_distance)
        found["assd_mm"] = distance(compute_average_surface_distance, symmetric=True)
        for mm in (1, 2):
            found[f"nsd_{mm}mm"] = distance(compute_surface_dice, class_thresholds=[float(mm)])
    return found


def main(evaluation, predictions, labels):
    with open(evaluation) as file:
        ours = json.load(file)
    values = {one["name"]: one["values"] for one in ours["classes"]}
    worst = {}
    count = {}
    cases = ours["cases"]
    for case in cases:
        name = case["case"]
        predicted = nibabel.load(f"{predictions}/{name}.nii.gz")
        truth = nibabel.load(f"{labels}/{name}.nii.gz")
        p = numpy.asarray(predicted.dataobj)
        t = numpy.asarray(truth.dataobj)
        spacing = [float(x) for x in truth.header.get_zooms()[:3]]
        for own in case["classes"]:
            theirs = scores(numpy.isin(p, values[own["name"]]), numpy.isin(t, values[own["name"]]), spacing)
            for key, value in theirs.items():
                mine = own.get(key)
                mine = math.inf if mine is None else mine
                difference = 0.0 if mine == value else abs(mine - value)
                worst[key] = max(worst.get(key, 0.0), difference)
                count[key] = count.get(key, 0) + 1
    print(f"{len(cases)} cases, classes {values}")
    print(f"{'score':<18} {'compared':>8}  largest difference")
    for key in worst:
        print(f"{key:<18} {count[key]:>8}  {worst[key]:.2g}")


main(*sys.argv[1:])
