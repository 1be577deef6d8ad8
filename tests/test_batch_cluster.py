"""``texcodec batch --engine ray`` on a local cluster of two workers, one of which is killed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from cli_runs import environment, save_photograph

import texcodec
from texcodec.batch import Options, Settings, Summary, run
from texcodec.batch.parquet import rows_of

pytestmark = pytest.mark.cluster
PICTURES, SHARD = 120, 4


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for i in range(PICTURES):
        save_photograph(source / f"{i:03}.png", 40, 24, seed=i)
    (source / "050.png").write_bytes(b"no picture")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        found: list[Summary] = []
        arguments = (str(source), str(out), Settings(models="tiny-1"), Options(shard_size=SHARD))
        thread = threading.Thread(
            target=lambda: found.append(run(*arguments, engine="ray", address=cluster.address))
        )
        thread.start()
        end = time.monotonic() + 120
        while len(list(out.glob("tables/*.parquet"))) < 3 and time.monotonic() < end:
            time.sleep(0.05)
        assert thread.is_alive(), "the batch is done before a worker could be killed"
        cluster.remove_node(workers[0], allow_graceful=False)
        thread.join(300)
        (summary,) = found
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert (summary.done, summary.failed, summary.shards) == (PICTURES - 1, 1, PICTURES // SHARD)
    rows = [row for table in out.glob("tables/*.parquet") for row in rows_of(table.read_bytes(), table.name)]
    assert len(rows) == len({row["key"] for row in rows}) == PICTURES
    files = list(out.glob("*.tcx"))
    assert len(files) == PICTURES - 1
    for file in files:
        assert texcodec.decode(file.read_bytes(), output="numpy").shape == (24, 40, 3)
    assert run(*arguments).before == PICTURES // SHARD  # what a cluster has done, a machine need not do
