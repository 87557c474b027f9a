"""The tutorial's API with AWS_IAM, driven by boto3's S3 client whose requests are signed for execute-api."""

import os

import botocore.exceptions

import callers
import store

S3_PROXY = "config/s3-proxy.openapi.yaml"
STORAGE_ROLE = "arn:aws:iam::123456789012:role/storageRole"


def client(api, keys):
    """An S3 client that takes the API for S3, and signs as its callers do."""
    s3 = store.client(api.base, keys=keys)

    def for_execute_api(context, **_):
        context["signing"] = {**context.get("signing", {}), "signing_name": "execute-api", "region": "us-east-1"}
        return "v4"

    s3.meta.events.register_first("choose-signer.s3", for_execute_api)
    return s3


def refusal(call, **arguments):
    """The status and body text of a call that must be refused."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]
    raise AssertionError(f"{call} was not refused")


def boto3_calls_the_tutorial_api_with_aws_iam(world):
    with callers.guarded(world, S3_PROXY, "S3") as api:
        s3 = client(api, callers.CALLER)
        s3.create_bucket(Bucket="iam-tutorial")
        names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        assert "iam-tutorial" in names, names
        for size in (0, 13, 300_000):
            body = os.urandom(size)
            s3.put_object(Bucket="iam-tutorial", Key=f"object {size}+", Body=body, ContentType="image/png")
            callers.equal(world.stored("iam-tutorial", f"object {size}+"), body, f"stored {size}")
            got = s3.get_object(Bucket="iam-tutorial", Key=f"object {size}+")
            callers.equal(got["Body"].read(), body, f"got {size}")
            s3.head_object(Bucket="iam-tutorial", Key=f"object {size}+")
        listed = s3.list_objects(Bucket="iam-tutorial")
        callers.equal(len(listed["Contents"]), 3, "listing")

        session = client(api, callers.SESSION)
        got = session.get_object(Bucket="iam-tutorial", Key="object 13+")
        callers.equal(len(got["Body"].read()), 13, "in a session that may read")
        status, _ = refusal(session.delete_object, Bucket="iam-tutorial", Key="object 13+")
        callers.equal(status, 403, "in a session that may only read")
        status, _ = refusal(client(api, (callers.CALLER[0], "another")).list_buckets)
        callers.equal(status, 403, "wrong secret")
        status, _ = refusal(store.client(api.base, keys=callers.CALLER).list_buckets)
        callers.equal(status, 403, "signed for S3")

        for entry in listed["Contents"]:
            s3.delete_object(Bucket="iam-tutorial", Key=entry["Key"])
        s3.delete_bucket(Bucket="iam-tutorial")


def roles_of_the_tutorial(world):
    bucket = world.fresh_bucket("iam-roles")
    world.s3.put_object(Bucket=bucket, Key="there", Body=b"there")
    put = {"Bucket": bucket, "Key": "new", "Body": b"new"}
    for policy, may_read, may_write in (("read-only", True, False), ("put-only", False, True), ("full-access", True, True)):
        file = os.path.abspath(f"config/policies/{policy}.json")
        role = f"\n[[role]]\narn = \"{STORAGE_ROLE}\"\npolicy_file = \"{file}\"\n"
        with callers.guarded(world, S3_PROXY, "S3", more=role) as api:
            s3 = client(api, callers.CALLER)
            if may_read:
                callers.equal(s3.get_object(Bucket=bucket, Key="there")["Body"].read(), b"there", policy)
            else:
                status, error = refusal(s3.get_object, Bucket=bucket, Key="there")
                callers.equal((status, error["Code"]), (400, "AccessDenied"), f"{policy}: {error}")
                assert "is not authorized to perform: s3:GetObject on resource" in error["Message"], error
            if may_write:
                s3.put_object(**put)
                callers.equal(world.stored(bucket, "new"), b"new", policy)
            else:
                status, error = refusal(s3.put_object, **put)
                callers.equal((status, error["Code"]), (400, "AccessDenied"), f"{policy}: {error}")
                assert "is not authorized to perform: s3:PutObject on resource" in error["Message"], error
                assert "new" not in str(world.s3.list_objects(Bucket=bucket).get("Contents")), policy


CHECKS = (boto3_calls_the_tutorial_api_with_aws_iam, roles_of_the_tutorial)
