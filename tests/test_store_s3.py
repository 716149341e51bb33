"""A store of scores in an object store: a server that speaks S3, in a process of its own on this machine."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

import kifactors as kf
from kifactors.errors import DataError
from tests.stores import Child, content, made

boto3 = pytest.importorskip("boto3", reason="needs the extra s3test")
pytest.importorskip("moto", reason="needs the extra s3test")

BUCKET = "scores-of-ours"
REGION = "us-east-1"
# No answer from a server on this machine takes so long.
QUICK_S = 60.0
# What the documentation names for those who would rather have an error than wait for a server.
IMPATIENT = {"max_retries": "1", "retry_timeout": "5s", "connect_timeout": "2s", "timeout": "10s"}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


@contextmanager
def serving(log):
    """Start a server; give its address."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            deadline = time.monotonic() + 60.0
            # It says nothing that could be waited for.
            while not answers(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server") / "log") as address:
        yield address


@pytest.fixture(scope="module")
def options(server):
    return {
        "AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
    }  # fmt: skip


def client(name, server):
    return boto3.client(
        name, endpoint_url=server, region_name=REGION, aws_access_key_id="key", aws_secret_access_key="secret"
    )


@pytest.fixture(scope="module")
def s3(server):
    made = client("s3", server)
    made.create_bucket(Bucket=BUCKET)
    yield made
    made.close()


@pytest.fixture
def uri(s3, request):
    return f"s3://{BUCKET}/{request.node.name}"


@pytest.fixture
def store(uri, options):
    return kf.open_store(uri, storage_options=options)


def keys(s3, store, under=""):
    prefix = store.uri.removeprefix(f"s3://{BUCKET}/") + "/"
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix + under).get("Contents", [])
    return {entry["Key"].removeprefix(prefix) for entry in found}


def test_the_server_refuses_to_write_over_an_object_if_asked_to(s3):
    # What keeps two writers from making the same version. Without it the tests of rivals would show nothing.
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"1")
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=BUCKET, Key="once", Body=b"2", IfNoneMatch="*")
    assert s3.get_object(Bucket=BUCKET, Key="once")["Body"].read() == b"1"


def test_a_store_in_a_bucket_does_what_one_in_a_folder_does(store, s3, tmp_path):
    first, last = made(["2024-01-31", "2024-02-28"]), made(["2024-02-29"])
    again, other = made(["2024-02-28"], capex=30e9), made(["2024-01-31"], capex=10e9)
    here = kf.open_store(tmp_path / "store")
    assert not store.exists()
    for one in (store, here):
        assert one.append(first) == 1
        assert one.append(first) == 1, "it is there already"
        assert one.append(last) == 2
        assert one.append(again, restate=True, reason="corrected") == 3
        assert one.replace(other, "2024-01-01", "2024-01-31", reason="corrected") == 4
        assert one.compact() == 5
    for version in range(1, 6):
        assert content(store, version=version) == content(here, version=version)
    assert store.dates() == here.dates()
    columns = ["version", "operation", "first_date", "last_date", "dates", "restated", "reason", "release"]
    assert store.versions().select(columns).equals(here.versions().select(columns))
    assert store.diff(1).equals(here.diff(1))
    assert store.diff(4, 5).is_empty()
    assert store.verify() == here.verify() == 120
    assert store.read("2024-02-29", assets="a003", columns="score").equals(
        here.read("2024-02-29", assets="a003", columns="score")
    )
    assert store.scan().collect().height == 120
    moment = store.versions()["time"][-2]
    assert store.read(as_of_time=moment).equals(here.read(version=1))

    kept = content(store)
    old = keys(s3, store, "month=")
    assert store.vacuum(keep_days=1) == []
    removed = store.vacuum(keep_days=0)
    assert set(removed) == old - keys(s3, store, "month=")
    assert len(keys(s3, store, "month=")) == 2
    assert content(store) == kept
    with pytest.raises(DataError, match=r"month=2024-01/.* is gone: .* vacuum removed it"):
        store.read(version=1)


def test_rows_are_refused_where_others_are_and_an_object_that_is_damaged_or_gone_is_named(store, s3):
    store.append(made(["2024-01-31"]))
    with pytest.raises(kf.errors.ConflictError, match=r"2024-01-31.*a000"):
        store.append(made(["2024-01-31"], capex=30e9))
    (name,) = keys(s3, store, "month=")
    key = f"{store.uri.removeprefix(f's3://{BUCKET}/')}/{name}"
    whole = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    for damaged in (whole[:-1], bytes([*whole[:99], whole[99] ^ 1, *whole[100:]])):
        s3.put_object(Bucket=BUCKET, Key=key, Body=damaged)
        for read in (store.read, store.scores, store.verify):
            with pytest.raises(DataError, match=f"{name} of the store {store.uri} is damaged"):
                read()
    s3.delete_object(Bucket=BUCKET, Key=key)
    for read in (store.read, store.scores, store.verify):
        with pytest.raises(DataError, match=f"{name} of the store {store.uri} is gone"):
            read()


def test_a_file_that_is_sent_in_parts_arrives_whole(store):
    data = os.urandom(17 << 20)
    store._folder._put("month=2024-01/large", pa.py_buffer(data))
    with store._folder._files.open_input_file("month=2024-01/large") as stream:
        assert stream.read() == data


def test_credentials_come_from_the_environment(uri, options, monkeypatch):
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    store = kf.open_store(uri)
    assert store.append(made(["2024-01-31"])) == 1
    assert store.verify() == 40
    with Child(environment=options) as child:
        assert child.run(uri, "verify") == {"done": 40}


# Two writers ----------------------------------------------------------------------------------------------


def at_once(uri, options, commands):
    with ExitStack() as stack:
        writers = [stack.enter_context(Child()) for _ in commands]
        for writer, command in zip(writers, commands, strict=True):
            writer.prepare(uri, "append", options=options, scores=command)
        for writer in writers:
            writer.go()
        return [writer.finished() for writer in writers]


def saved(folder, *scores):
    return [str(kf.write_scores(one, folder / f"{one.dates[0]}-{id(one)}.parquet")) for one in scores]


def test_two_writers_at_once_lose_no_commit(store, options, s3, tmp_path):
    commands = [
        saved(tmp_path, *(made([f"2024-0{month}-{day:02}"]) for day in range(1, 11))) for month in (1, 2)
    ]
    said = at_once(store.uri, options, commands)
    assert sorted(version for words in said for version in words["done"]) == list(range(1, 21))
    assert len(store.dates()) == 20
    assert store.verify() == 800
    assert store.versions()["operation"].to_list() == ["append"] * 20 + ["create"]


def test_of_two_writers_of_other_values_one_wins(store, options, s3, tmp_path):
    both = made(["2024-01-31"]), made(["2024-01-31"], capex=30e9)
    said = at_once(store.uri, options, [saved(tmp_path, scores) for scores in both])
    (winner,) = (at for at, words in enumerate(said) if "done" in words)
    assert said[1 - winner]["error"] == "ConflictError"
    assert "2024-01-31" in said[1 - winner]["message"]
    assert store.read().rows() == both[winner].to_polars().rows()
    assert store.verify() == 40
    assert len(keys(s3, store, "month=")) == 1, "the loser took its file away"


def test_of_two_writers_of_the_same_scores_one_has_nothing_to_do(store, options, tmp_path):
    scores = made(["2024-01-31"])
    said = at_once(store.uri, options, [saved(tmp_path, scores)] * 2)
    assert said == [{"done": [1]}] * 2
    assert store.versions()["operation"].to_list() == ["append", "create"]


# Addresses and keys that are wrong ------------------------------------------------------------------------

CALLS = {
    "exists": lambda store: store.exists(),
    "append": lambda store: store.append(made(["2024-01-31"])),
    "read": lambda store: store.read(),
    "versions": lambda store: store.versions(),
    "vacuum": lambda store: store.vacuum(),
    "verify": lambda store: store.verify(),
}


def refused(store, call, within_s=QUICK_S):
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        CALLS[call](store)
    assert time.monotonic() - start < within_s
    said = str(caught.value)
    assert store.uri in said
    assert "\n" not in said
    assert "\x1b" not in said
    return said


@pytest.mark.parametrize("call", CALLS)
def test_a_bucket_that_is_not_there_is_told(server, options, call):
    said = refused(kf.open_store("s3://no-such-bucket/scores", storage_options=options), call)
    assert "NoSuchBucket" in said


@pytest.mark.parametrize("call", ["exists", "append", "read"])
def test_a_server_that_does_not_answer_is_told(options, call):
    nobody = {**options, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", **IMPATIENT}
    said = refused(kf.open_store(f"s3://{BUCKET}/scores", storage_options=nobody), call)
    assert "onnection refused" in said


def suspicious(server):
    """Let a server look at keys; return those of a user who may do everything."""
    iam = client("iam", server)
    iam.create_user(UserName="writer")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName="writer", PolicyName="all", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="writer")["AccessKey"]
    iam.close()
    request = urllib.request.Request(
        f"{server}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(request).close()
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def test_wrong_keys_are_told_at_once(options, tmp_path):
    uri = f"s3://{BUCKET}/scores"
    with serving(tmp_path / "log") as address:
        service = client("s3", address)
        service.create_bucket(Bucket=BUCKET)
        service.close()
        right = {**options, "AWS_ENDPOINT_URL": address, **suspicious(address)}
        assert kf.open_store(uri, storage_options=right).append(made(["2024-01-31"])) == 1
        for name, value, reason in (
            ("AWS_SECRET_ACCESS_KEY", "wrong", "SignatureDoesNotMatch"),
            ("AWS_ACCESS_KEY_ID", "AKIAXXXXXXXXXXXXXXXX", "InvalidAccessKeyId"),
        ):
            store = kf.open_store(uri, storage_options={**right, name: value})
            for call in CALLS:
                assert reason in refused(store, call)
        assert kf.open_store(uri, storage_options=right).verify() == 40


def test_no_keys_at_all_are_told_without_a_long_wait(server, uri, monkeypatch):
    """Without keys the identity of the machine is asked for, at an address that does not answer here."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    bare = {"AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION, **IMPATIENT}
    for call in ("exists", "append", "read"):
        refused(kf.open_store(uri, storage_options=bare), call)
