#!/usr/bin/env python3
"""Drives a running server with MONAI Label's own Python client, the one that 3D Slicer's extension carries.

Optional tooling, not part of the build:

    pip install requests numpy nibabel
    pip download monailabel --no-deps && unzip monailabel-*.whl 'monailabel/client/*'
    ./segformer3d serve --model BUNDLE --port 8000
    PYTHONPATH=. python3 segformer3d-server/peers/monailabel_client.py http://127.0.0.1:8000 IMAGE.nii.gz PREDICTION.nii.gz

PREDICTION is what `./segformer3d predict` wrote for the same image and bundle. Exits with 1 when anything differs.
"""
import sys
import tempfile

import nibabel
import numpy
from monailabel.client.client import MONAILabelClient, MONAILabelClientException


def voxels(path):
    return numpy.asarray(nibabel.load(path).dataobj)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    url, image, prediction = sys.argv[1:]
    failures = []

    def check(what, holds):
        print("ok  " if holds else "FAIL", what)
        if not holds:
            failures.append(what)

    with tempfile.TemporaryDirectory() as folder:
        client = MONAILabelClient(url, tmpdir=folder, client_id="user-check")
        check("no authentication asked for", not client.auth_enabled())
        info = client.info()
        model = next(iter(info["models"]))
        check(f"/info/ names the model {model} and its labels", info["models"][model]["labels"])

        check("an image is uploaded", client.upload_image(image, "check")["image"] == "check")
        labels, parameters = client.infer(model, "check", {"result_extension": ".nii.gz", "result_dtype": "uint16"})
        check("label names come back", parameters["label_names"] == info["models"][model]["labels"])
        expected = voxels(prediction)
        check("labels equal predict's", (voxels(labels) == expected).all())
        check("so does the affine", numpy.allclose(nibabel.load(labels).affine, nibabel.load(prediction).affine))

        session = client.create_session(image)["session_id"]
        check("a session is found", client.get_session(session)["name"] == session)
        again, _ = client.infer(model, "", {"result_extension": ".nii.gz"}, session_id=session)
        check("labels by session are the same", (voxels(again) == expected).all())
        client.remove_session(session)

        client.save_label("check", labels, "final", {})
        check("the datastore lists the label", "final" in client.datastore()["objects"]["check"]["labels"])
        check("it comes back", (voxels(client.download_label("check", "final")) == expected).all())
        for wrong in ((model, "no such image"), ("no such model", "check")):
            try:
                client.infer(*wrong, {})
                check(f"{wrong} is refused", False)
            except MONAILabelClientException as e:
                check(f"{wrong} is refused: {e.msg.splitlines()[3].strip()}", "404" in e.msg)
    sys.exit(1 if failures else 0)


main()
