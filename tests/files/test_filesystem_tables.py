"""The fsspec file system under pandas, pyarrow and torch: only the columns that are asked for move."""

from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

import xpstore
from support.between.counting_proxy import CountingProxy
from support.services import Server
from xpstore.artifact import DirectoryArtifact
from xpstore.filesystem import XpstoreFileSystem

pytestmark = pytest.mark.client

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


@pytest.fixture
def table(project: xpstore.Project, tmp_path: Path) -> pd.DataFrame:
    """40 columns, saved as four Parquet files and a CSV file, 32 MiB in all."""
    generator = np.random.default_rng(1)
    table = pd.DataFrame({f"c{number}": generator.random(100_000) for number in range(40)})
    (tmp_path / "parts").mkdir()
    for part in range(4):
        rows = table.iloc[part * 25_000 : (part + 1) * 25_000]
        rows.to_parquet(tmp_path / "parts" / f"{part}.parquet", row_group_size=25_000, index=False)
    table.head(1_000).to_csv(tmp_path / "head.csv", index=False)
    DirectoryArtifact.save(tmp_path, "table", aliases=["good"])
    return table


def test_pandas_moves_the_columns_it_needs(
    table: pd.DataFrame, project: xpstore.Project, options: dict[str, str], proxy: CountingProxy
) -> None:
    url = f"xpstore://{project.id}/table@good"
    head = pd.read_csv(f"{url}/head.csv", storage_options=options)
    pd.testing.assert_frame_equal(head, table.head(1_000))
    before = proxy.received_bytes
    column = pd.read_parquet(f"{url}/parts/1.parquet", columns=["c7"], storage_options=options)
    assert column["c7"].tolist() == table["c7"].iloc[25_000:50_000].tolist()
    # Of 8 MiB: the footer and one column, each in a buffer of 1 MiB at most.
    assert proxy.received_bytes - before < 2.5 * MIB
    whole = pd.read_parquet(f"{url}/parts", storage_options=options)
    pd.testing.assert_frame_equal(whole, table)


def test_pyarrow_reads_data_sets(
    table: pd.DataFrame, project: xpstore.Project, options: dict[str, str], proxy: CountingProxy
) -> None:
    fs, path = fsspec.filesystem("xpstore", **options), f"{project.id}/table@1"
    parquet = pa.parquet.ParquetFile(fs.open(f"{path}/parts/0.parquet", block_size=64 << 10))
    before = proxy.received_bytes
    column = parquet.read(columns=["c3"]).column("c3")
    assert column.to_pylist() == table["c3"].head(25_000).tolist()
    assert proxy.received_bytes - before < 0.6 * MIB
    data = pa.dataset.dataset(fs.glob(f"{path}/parts/*.parquet"), filesystem=fs)
    assert data.count_rows() == 100_000
    before = proxy.received_bytes
    columns = data.to_table(columns=["c1", "c2"]).to_pandas()
    pd.testing.assert_frame_equal(columns, table[["c1", "c2"]])
    assert proxy.received_bytes - before < 12 * MIB  # of 32, read ahead included
    folder = pa.dataset.dataset(f"{path}/parts", filesystem=fs)
    assert folder.count_rows() == 100_000
    assert pa.parquet.read_table(f"{path}/parts/2.parquet", filesystem=fs, columns=["c0"]).num_rows == 25_000


def test_torch_loads_from_an_opened_file(fs: XpstoreFileSystem, project: xpstore.Project, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"weight": torch.arange(10)}, tmp_path / "model.pt")
    DirectoryArtifact.save(tmp_path / "model.pt", "model")
    with fs.open(f"{project.id}/model/model.pt") as file:
        assert torch.load(file, weights_only=True)["weight"].tolist() == list(range(10))


def test_pyarrow_takes_the_url_that_says_fsspec(server: Server, project: xpstore.Project, tmp_path: Path) -> None:
    pd.DataFrame({"loss": [0.5, 0.25]}).to_parquet(tmp_path / "part 1.parquet")
    DirectoryArtifact.save(tmp_path, "table")
    url = f"xpstore://{project.id}/table@1/part 1.parquet"
    with pytest.raises(pa.ArrowInvalid):
        pa.parquet.read_table(url)
    if int(pa.__version__.partition(".")[0]) < 21:
        pytest.skip("this pyarrow knows no fsspec+ in URLs")
    assert pa.parquet.read_table(f"fsspec+{url}").column("loss").to_pylist() == [0.5, 0.25]
