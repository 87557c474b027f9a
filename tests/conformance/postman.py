"""The Postman collection that is shipped, run by Postman's own command-line runner."""

import json
import os
import subprocess
import tempfile

import callers

COLLECTION = "config/postman/s3-proxy.postman_collection.json"
S3_PROXY = "config/s3-proxy.openapi.yaml"


def postman_collection_of_the_tutorial(world):
    with callers.guarded(world, S3_PROXY, "S3") as api, tempfile.TemporaryDirectory() as folder:
        variables = {
            "baseUrl": api.base,
            "accessKey": callers.CALLER[0],
            "secretKey": callers.CALLER[1],
            "region": "us-east-1",
            "folder": "postman-folder",
        }
        report = os.path.join(folder, "report.json")
        command = [world.arguments.newman, "run", COLLECTION, "--color", "off", "--reporters", "cli,json"]
        command += ["--reporter-json-export", report, "--timeout-request", "60000"]
        for name, value in variables.items():
            command += ["--env-var", f"{name}={value}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        with open(report, encoding="utf-8") as file:
            run = json.load(file)["run"]
        assertions = run["stats"]["assertions"]
        callers.equal(assertions["failed"], 0, "failed assertions")
        with open(COLLECTION, encoding="utf-8") as file:
            requests = len(json.load(file)["item"])
        callers.equal(run["stats"]["requests"]["total"], requests, "requests")
        assert assertions["total"] >= requests, assertions
        print(f"    {requests} requests, {assertions['total']} assertions")


CHECKS = (postman_collection_of_the_tutorial,)
