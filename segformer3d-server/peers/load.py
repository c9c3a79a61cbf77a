#!/usr/bin/env python3
"""Loads a running server: 8 clients x 25 scans while one sends garbage, one leaves amid its request and one stalls.

Optional tooling, not part of the build (pip install requests numpy nibabel):

    ./segformer3d predict --model BUNDLE --input SCANS... --output predictions
    ./segformer3d serve --model BUNDLE --port 8000
    python3 segformer3d-server/peers/load.py http://127.0.0.1:8000 PID predictions SCANS...

PID is the server's process, whose memory is printed. Exits with 1 when an answer isn't what predict wrote.
"""
import gzip
import os
import pathlib
import random
import socket
import sys
import threading
import time
from urllib.parse import urlparse

import nibabel
import numpy
import requests

CLIENTS, REQUESTS = 8, 25


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    url, pid, folder, scans = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4:]
    host = (urlparse(url).hostname, urlparse(url).port)
    expected = {scan: numpy.asarray(nibabel.load(folder / pathlib.Path(scan).name).dataobj) for scan in scans}
    counts = {"right": 0, "busy": 0, "garbage": 0, "left": 0}
    wrong, lock, stop = [], threading.Lock(), threading.Event()

    def count(what):
        with lock:
            counts[what] += 1

    def client(seed):
        choice = random.Random(seed)
        for _ in range(REQUESTS):
            scan = choice.choice(scans)
            body = pathlib.Path(scan).read_bytes()
            answer = requests.post(url + "/segment", data=body, timeout=300)
            while answer.status_code == 429:
                count("busy")
                time.sleep(0.3)
                answer = requests.post(url + "/segment", data=body, timeout=300)
            if answer.status_code == 200:
                image = nibabel.Nifti1Image.from_bytes(gzip.decompress(answer.content))
                if numpy.array_equal(numpy.asarray(image.dataobj), expected[scan]):
                    count("right")
                    continue
            wrong.append((scan, answer.status_code))

    def garbage():
        while not stop.is_set():
            requests.post(url + "/segment", data=os.urandom(5000), timeout=60)
            count("garbage")
            time.sleep(0.05)

    def begin():
        connection = socket.create_connection(host)
        connection.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nabc")
        return connection

    def leaver():
        while not stop.is_set():
            begin().close()
            count("left")
            time.sleep(0.2)

    def staller():
        with begin():
            stop.wait()

    def memory():
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    before, start, during = memory(), time.time(), []
    clients = [threading.Thread(target=client, args=(seed,)) for seed in range(CLIENTS)]
    for thread in clients + [threading.Thread(target=each, daemon=True) for each in (garbage, leaver, staller)]:
        thread.start()
    while any(thread.is_alive() for thread in clients):
        during.append(memory())
        time.sleep(1)
    seconds = time.time() - start
    stop.set()
    print(f"{counts['right']} of {CLIENTS * REQUESTS} right in {seconds:.0f} s, {len(wrong)} wrong {wrong[:3]};"
          f" {counts['garbage']} times garbage, {counts['left']} left, 1 stalled, {counts['busy']} times busy;"
          f" MiB before {before}, at a quarter {during[len(during) // 4]}, half {during[len(during) // 2]}, end {during[-1]}")
    sys.exit(1 if wrong else 0)


main()
