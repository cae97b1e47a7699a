"""Every kind of source, and every way that one can be broken: refused by its name, or quarantined, never in part."""

import gzip
import sqlite3
from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
from sqlalchemy import create_engine, make_url

from housing_assets.listings.cleaning import account_rows, clean
from housing_assets.listings.source import RawListings, SourceError, read_listings
from housing_assets.markets.istanbul import MARKET
from resources.object_store import ObjectStore
from tests.databases import new_database, server_of
from tests.listings.ads import RAW, ad, frame
from tests.other_markets import PARCELS, drawn_sales

ADS = frame(ad(), ad(district="adalar", HeatingType="Sobalı"), ad(district="şile", price="650,000EUR"))


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "ads.csv"
    ADS.to_csv(path, index=False)
    return path


def cells(raw):
    return raw.frame[RAW].astype(object).where(lambda found: found.notna(), "").to_numpy().tolist()


def cleaned(raw):
    result = clean(MARKET, raw.frame)
    assert account_rows(len(raw.frame), result.listings, result.quarantined, result.duplicates) is None
    return result


def refusal(location, *, of=None):
    with pytest.raises(SourceError) as refused:
        read_listings(MARKET, str(location))
    message = str(refused.value)
    assert str(of or location) in message
    return message


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_file_is_read_as_it_stands(tmp_path, suffix):
    path = tmp_path / f"ads{suffix}"
    ADS.to_parquet(path) if suffix == ".parquet" else ADS.to_csv(path, index=False)
    raw = read_listings(MARKET, str(path))
    assert cells(raw) == ADS.to_numpy().tolist()
    assert raw.rows_by_file == {str(path): 3}
    assert raw.frame["source_file"].tolist() == [str(path)] * 3
    assert raw.frame["source_row"].tolist() == [1, 2, 3]


def test_columns_beside_the_declared_ones_and_their_order_do_not_matter(tmp_path):
    path = tmp_path / "ads.csv"
    ADS[RAW[::-1]].assign(**{"": 1, "note": 0}).to_csv(path, index=False)
    raw = read_listings(MARKET, str(path))
    assert raw.frame.columns.tolist() == [*RAW, "source_file", "source_row", "origin"]
    assert cells(raw) == ADS.to_numpy().tolist()


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    path = tmp_path / "ads.csv"
    ADS.to_csv(path, index=False, encoding="utf-8-sig")
    assert cells(read_listings(MARKET, str(path))) == ADS.to_numpy().tolist()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "2022" / "03").mkdir(parents=True)
    ADS.iloc[:1].to_csv(tmp_path / "2022" / "a.csv", index=False)
    ADS.iloc[1:2].to_csv(tmp_path / "2022" / "03" / "b.csv.gz", index=False)
    ADS.iloc[2:].to_parquet(tmp_path / "2022" / "c.parquet")
    (tmp_path / "2022" / "_SUCCESS.csv").touch()
    (tmp_path / "2022" / ".hidden.csv").touch()
    (tmp_path / "2022" / "notes.txt").touch()
    return tmp_path / "2022"


@pytest.mark.parametrize("pattern", ["", "**/*", "*/../**/*.*"])
def test_a_folder_or_glob_is_read_to_its_bottom(folder, pattern):
    raw = read_listings(MARKET, str(folder / pattern))
    assert sorted(cells(raw)) == sorted(ADS.to_numpy().tolist())
    assert sorted(raw.rows_by_file.values()) == [1, 1, 1]


def test_files_with_different_texts_are_put_together_as_categories(folder):
    (folder / "c.parquet").unlink()
    raw = read_listings(MARKET, str(folder))
    assert isinstance(raw.frame["district"].dtype, pd.CategoricalDtype)
    assert raw.frame["district"].tolist() == ["adalar", "kadikoy"]
    assert raw.frame["source_file"].tolist() == [str(folder / "03" / "b.csv.gz"), str(folder / "a.csv")]


@pytest.mark.parametrize("name", ["B.CSV", "b.Csv.GZ", "B.PARQUET"])
def test_a_suffix_may_be_written_in_capitals(folder, name):
    if name == "B.PARQUET":
        ADS.to_parquet(folder / name)
    else:
        ADS.to_csv(folder / name, index=False, compression="gzip" if name.endswith("GZ") else None)
    assert cells(read_listings(MARKET, str(folder / name))) == ADS.to_numpy().tolist()
    assert read_listings(MARKET, str(folder)).rows_by_file[str(folder / name)] == 3


UNFINISHED = [".ipynb_checkpoints/a.csv", "_temporary/0/part.csv", "03/.Trash/b.csv", "03/_d.parquet"]


def add_unfinished(folder):
    for name in UNFINISHED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("half a fi", encoding="utf-8")


@pytest.mark.parametrize("pattern", ["", "**/*", "**/.*/*"])
def test_hidden_and_temporary_folders_below_the_named_one_are_not_read(tmp_path, folder, pattern):
    add_unfinished(folder)
    if pattern.endswith(".*/*"):
        assert "no file ending in .csv" in refusal(folder / pattern)
    else:
        assert sorted(read_listings(MARKET, str(folder / pattern)).rows_by_file.values()) == [1, 1, 1]


@pytest.mark.parametrize("pattern", ["", "*.csv", "**/*"])
def test_a_hidden_folder_is_read_where_it_is_the_one_that_is_named(tmp_path, pattern):
    (tmp_path / ".scraped" / "_new").mkdir(parents=True)
    ADS.to_csv(tmp_path / ".scraped" / "_new" / "a.csv", index=False)
    assert len(read_listings(MARKET, str(tmp_path / ".scraped" / "_new" / pattern)).frame) == 3


def test_files_that_are_not_read_are_told_the_hidden_ones_last(folder):
    add_unfinished(folder)
    skipped = ["notes.txt", *sorted([*UNFINISHED, "_SUCCESS.csv", ".hidden.csv"])]
    assert read_listings(MARKET, str(folder)).skipped == tuple(str(folder / name) for name in skipped)
    assert read_listings(MARKET, str(folder / "*.csv")).skipped == (str(folder / "_SUCCESS.csv"),)


def test_a_file_that_is_named_alone_skips_no_other(folder):
    assert read_listings(MARKET, str(folder / "a.csv")).skipped == ()


def test_a_file_without_rows_among_others_is_counted_as_such(folder):
    frame().to_csv(folder / "empty.csv", index=False)
    raw = read_listings(MARKET, str(folder))
    assert len(raw.frame) == 3
    assert raw.rows_by_file[str(folder / "empty.csv")] == 0


def test_a_glob_leaves_out_what_it_does_not_name(folder):
    assert list(read_listings(MARKET, str(folder / "*.csv")).rows_by_file) == [str(folder / "a.csv")]


def test_a_filtered_parquet_table_keeps_no_index(tmp_path):
    path = tmp_path / "ads.parquet"
    ADS[ADS["district"] != "kadikoy"].to_parquet(path)
    raw = read_listings(MARKET, str(path))
    assert raw.frame["source_row"].tolist() == [1, 2]
    assert cleaned(raw).listings["row"].tolist() == [0]


@pytest.mark.parametrize("files", [1, 2])
def test_ordered_categories_of_parquet_tables_are_texts_like_others(tmp_path, files):
    for number, order in enumerate([["0 (Yeni)", "5-10"], ["5-10", "0 (Yeni)", "4"]][:files]):
        ages = pd.Categorical(["5-10"] * 3, categories=order, ordered=True)
        ADS.assign(BuildingAge=ages).to_parquet(tmp_path / f"{number}.parquet")
    found = read_listings(MARKET, str(tmp_path)).frame["BuildingAge"]
    assert found.tolist() == ["5-10"] * 3 * files
    assert not found.cat.ordered


def test_clean_numbers_of_a_parquet_table_are_no_texts(tmp_path):
    path = tmp_path / "ads.parquet"
    typed = frame(
        ad(
            price=3_100_000,
            GrossSquareMeters=160.125,
            NetSquareMeters=Decimal("2.250"),
            AdCreationDate=date(2022, 1, 2),
        )
    )
    typed.to_parquet(path)
    listing = cleaned(read_listings(MARKET, str(path))).listings.iloc[0]
    assert listing[["price", "gross_m2", "net_m2"]].tolist() == [3_100_000, 160.125, 2.25]
    assert listing["created_on"] == pd.Timestamp("2022-01-02")


def test_the_sample_is_a_source_like_any_other():
    raw = RawListings.of_sample(MARKET, ADS)
    assert raw.rows_by_file == {"synthetic sample": 3}
    assert cells(raw) == ADS.to_numpy().tolist()


def test_every_row_tells_whether_it_was_read_or_generated(csv):
    for raw, origin in ((read_listings(MARKET, str(csv)), "source"), (RawListings.of_sample(MARKET, ADS), "synthetic")):
        assert raw.frame["origin"].tolist() == [origin] * 3
        assert raw.frame["origin"].cat.categories.tolist() == ["source", "synthetic", "production"]


def test_the_columns_are_those_that_the_market_declares(tmp_path):
    path = tmp_path / "sales.csv"
    drawn_sales(PARCELS, 20).assign(sqft_lot15=5_000).to_csv(path, index=False)
    raw = read_listings(PARCELS, str(path)).frame
    assert raw.columns.tolist() == [*(column.raw for column in PARCELS.columns), "source_file", "source_row", "origin"]
    assert "missing: district, address" in refusal(path)


# S3


@pytest.fixture
def s3(s3_endpoint):
    return ObjectStore().client()


@pytest.fixture
def bucket(s3, folder, request):
    name = f"ads-{abs(hash(request.node.name))}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for file in folder.rglob("*.*"):
        s3.upload_file(str(file), name, f"scraped/{file.relative_to(folder)}")
    return name


def test_an_s3_prefix_is_read_to_its_bottom(bucket):
    raw = read_listings(MARKET, f"s3://{bucket}/scraped", ObjectStore().client)
    assert raw.rows_by_file == {
        f"s3://{bucket}/scraped/03/b.csv.gz": 1,
        f"s3://{bucket}/scraped/a.csv": 1,
        f"s3://{bucket}/scraped/c.parquet": 1,
    }
    assert sorted(cells(raw)) == sorted(ADS.to_numpy().tolist())


def test_hidden_and_temporary_keys_below_the_prefix_are_not_read_and_told(s3, bucket):
    for key in ("scraped/.tmp/a.csv", "scraped/03/_temporary/0/part.csv", "scraped/04/"):
        s3.put_object(Bucket=bucket, Key=key)
    for prefix in ("scraped", "scraped/", "scr"):
        raw = read_listings(MARKET, f"s3://{bucket}/{prefix}", ObjectStore().client)
        assert sorted(raw.rows_by_file.values()) == [1, 1, 1]
        assert raw.skipped == tuple(
            f"s3://{bucket}/scraped/{name}"
            for name in ("notes.txt", ".hidden.csv", ".tmp/a.csv", "03/_temporary/0/part.csv", "_SUCCESS.csv")
        )


@pytest.mark.parametrize("prefix", ["_new", "_new/", "_n", "_new/A.CSV"])
def test_what_the_prefix_names_is_read_whatever_it_begins_with(s3, bucket, csv, prefix):
    s3.upload_file(str(csv), bucket, "_new/A.CSV")
    assert read_listings(MARKET, f"s3://{bucket}/{prefix}", ObjectStore().client).rows_by_file == {
        f"s3://{bucket}/_new/A.CSV": 3
    }


@pytest.mark.parametrize("key", ["a#1/x.csv", "a?b=1.csv", "a%20b/x.csv"])
def test_marks_of_a_url_are_part_of_an_s3_key(s3, bucket, csv, key):
    s3.upload_file(str(csv), bucket, key)
    s3.put_object(Bucket=bucket, Key="a/other.csv")
    assert read_listings(MARKET, f"s3://{bucket}/{key}", ObjectStore().client).rows_by_file == {
        f"s3://{bucket}/{key}": 3
    }


@pytest.mark.trial
def test_an_s3_prefix_of_many_objects_is_read_whole(s3, bucket, csv):
    for number in range(1_005):
        s3.put_object(Bucket=bucket, Key=f"many/{number:04d}.txt")
    s3.upload_file(str(csv), bucket, "many/last.csv")
    assert read_listings(MARKET, f"s3://{bucket}/many/", ObjectStore().client).rows_by_file == {
        f"s3://{bucket}/many/last.csv": 3
    }


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3://{bucket}/nothing", "s3://{bucket}/nothing: no object ending in .csv, .csv.gz, .parquet found there"),
        ("s3://no-such-bucket/x", "s3://no-such-bucket/x: An error occurred (NoSuchBucket)"),
    ],
)
def test_an_s3_location_without_ads_is_refused(bucket, location, message):
    with pytest.raises(SourceError) as refused:
        read_listings(MARKET, location.format(bucket=bucket), ObjectStore().client)
    assert message.format(bucket=bucket) in str(refused.value)


def test_a_damaged_s3_object_is_refused_by_name(s3, bucket, csv):
    s3.put_object(Bucket=bucket, Key="cut/ads.csv.gz", Body=gzip.compress(csv.read_bytes())[:-40])
    with pytest.raises(SourceError, match=f"s3://{bucket}/cut/ads.csv.gz: the gzip file is truncated"):
        read_listings(MARKET, f"s3://{bucket}/cut", ObjectStore().client)


def test_an_s3_endpoint_that_does_not_answer_is_refused(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SourceError, match=r"s3://ads/x: .*http://127.0.0.1:9.*AWS_ variables"):
        read_listings(MARKET, "s3://ads/x", ObjectStore().client)


def test_s3_needs_a_client():
    assert "no S3 client" in refusal("s3://ads/x")


# SQL


@pytest.fixture
def sqlite(tmp_path):
    path = tmp_path / "ads.db"
    with sqlite3.connect(path) as connection:
        ADS.to_sql("ads", connection, index=False)
    connection.close()
    return f"sqlite:///{path}"


def test_a_query_is_read_from_sqlite(sqlite):
    raw = read_listings(MARKET, f"{sqlite}#SELECT * FROM ads WHERE district <> 'adalar'")
    assert cells(raw) == ADS.iloc[[0, 2]].to_numpy().tolist()
    assert raw.rows_by_file == {sqlite: 2}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "a query must follow the URL after '#'"),
        ("#SELECT * FROM houses", "no such table: houses"),
        ("#SELECT district FROM ads", "columns missing: price, address"),
        ("#SELECT * FROM ads WHERE 1 = 0", "no rows"),
        ("#SELECT ads.*, district FROM ads", "more than one column named district"),
        ("#SELECT * FROM ads UNION SELECT 1, * FROM (SELECT price, * FROM ads)", "do not have the same number"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused(sqlite, query, message):
    assert message in refusal(sqlite + query, of=sqlite)


def test_a_query_of_mixed_types_is_refused_by_column(sqlite):
    query = (
        "#SELECT * FROM ads UNION ALL SELECT district, 5, " + ", ".join(f'"{name}"' for name in RAW[2:]) + " FROM ads"
    )
    assert "column price holds int, str" in refusal(sqlite + query, of=sqlite)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://me:secret@127.0.0.1:9/ads", "postgresql+psycopg://me:***@127.0.0.1:9/ads"),
        ("nosuchdb://me:secret@host/ads", "nosuchdb://me:***@host/ads"),
        ("mysql+pymysql://me:secret@host/ads", "mysql+pymysql://me:***@host/ads"),
        ("postgresql://me:secret@host:port/ads", "neither a path nor a SQLAlchemy URL"),
    ],
)
def test_a_database_that_cannot_be_reached_is_refused_without_its_password(url, message):
    with pytest.raises(SourceError) as refused:
        read_listings(MARKET, f"{url}#SELECT 1")
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_query_is_read_from_postgresql(request):
    postgres = make_url(new_database(server_of(request.session).get_uri()))
    postgres = postgres.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    engine = create_engine(postgres)
    ADS.assign(price=[3_100_000, 1_250_000, 650_000]).to_sql("ads", engine, index=False, if_exists="replace")
    engine.dispose()
    as_typed = "district, price::numeric(12, 3) AS price, " + ", ".join(f'"{name}"' for name in RAW[2:])
    raw = read_listings(MARKET, f"{postgres}#SELECT {as_typed} FROM ads ORDER BY price")
    assert cleaned(raw).listings["price"].tolist() == [650_000, 1_250_000, 3_100_000]
    assert raw.frame["district"].tolist() == ["şile", "adalar", "kadikoy"]

    nested = as_typed.replace('"address"', "ARRAY[address] AS address")
    assert "column address holds list" in refusal(f"{postgres}#SELECT {nested} FROM ads", of="postgresql+psycopg://")
    assert "no rows" in (empty := refusal(f"{postgres}#SELECT * FROM ads WHERE false", of="postgresql+psycopg://"))
    assert "SELECT" not in empty


# Faults


def test_bytes_that_are_not_utf8_are_quarantined_and_the_row_can_be_read(csv):
    csv.write_bytes(csv.read_bytes().replace("Sobalı".encode(), "Sobalı".encode("iso8859-9")))
    result = cleaned(read_listings(MARKET, str(csv)))
    assert len(result.listings) == 1
    fault = result.quarantined.set_index("row").loc[1]
    assert fault[["column", "value", "reason"]].tolist() == ["HeatingType", r"Sobal\xfd", "bytes that are not UTF-8"]
    assert fault["district"] == "adalar"


def test_unusable_cells_are_quarantined_each_with_its_reason(tmp_path):
    path = tmp_path / "ads.csv"
    raw = [
        ad(price="650,000EUR"),
        ad(GrossSquareMeters="-5 m2"),
        ad(NetSquareMeters="inf"),
        ad(HeatingType="x" * 10_000_000),
        ad(),
    ]
    frame(*raw).to_csv(path, index=False)
    result = cleaned(read_listings(MARKET, str(path)))
    assert result.quarantined["reason"].tolist() == [
        "not in Turkish lira (TL): 'EUR'",
        "-5 is not within 5 to 200,000",
        "not a number of square metres (m2)",
        "10,000,000 characters, at most 1,000 are read",
    ]
    assert result.listings["row"].tolist() == [4]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_missing_column_is_refused_by_name(tmp_path, suffix):
    path = tmp_path / f"ads{suffix}"
    lacking = ADS.drop(columns=["price", "Swap"])
    lacking.to_parquet(path) if suffix == ".parquet" else lacking.to_csv(path, index=False)
    assert "columns missing: price, Swap; found: district, address" in refusal(path)


@pytest.mark.parametrize("pack", [False, True])
def test_a_file_with_semicolons_is_refused_with_what_makes_commas_of_them(tmp_path, pack):
    text = b"district;price;area\nkadikoy;1,5;100,5\n"
    path = tmp_path / ("ads.csv.gz" if pack else "ads.csv")
    path.write_bytes(gzip.compress(text) if pack else text)
    message = refusal(path)
    assert f"{path}: the header is 'district;price;area': expected fields separated by commas, not by ';'" in message
    assert f"pandas.read_csv('{path.name}', sep=';', dtype=str).to_csv('ads.csv', index=False)" in message


def test_an_empty_file_is_refused_by_name(tmp_path):
    for suffix in (".csv", ".csv.gz", ".parquet"):
        (tmp_path / f"ads{suffix}").write_bytes(gzip.compress(b"") if suffix == ".csv.gz" else b"")
        message = refusal(tmp_path / f"ads{suffix}")
        assert "the file is empty" in message or "cannot be read" in message


def test_a_header_without_rows_is_refused_by_name(tmp_path):
    frame().to_csv(tmp_path / "ads.csv", index=False)
    assert "no rows, only a header" in refusal(tmp_path / "ads.csv")


def test_a_truncated_gzip_is_refused_by_name(tmp_path, csv):
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(csv.read_bytes())[:-40])
    assert "the gzip file is truncated or damaged" in refusal(path)


def test_a_damaged_gzip_is_refused_by_name(tmp_path, csv):
    packed = bytearray(gzip.compress(csv.read_bytes()))
    packed[60:80] = b"\xff" * 20
    (tmp_path / "bad.csv.gz").write_bytes(packed)
    assert "damaged" in refusal(tmp_path / "bad.csv.gz")


def test_a_plain_file_that_is_named_gz_is_refused_by_name(tmp_path, csv):
    (tmp_path / "plain.csv.gz").write_bytes(csv.read_bytes())
    assert "Not a gzipped file" in refusal(tmp_path / "plain.csv.gz")


@pytest.mark.parametrize("damage", ["cut", "overwritten", "text"])
def test_a_damaged_parquet_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "ads.parquet"
    ADS.to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-100], "overwritten": whole[:4] + b"\xff" * 400 + whole[404:], "text": b"district"}[damage]
    )
    assert "cannot be read" in refusal(path)


def test_parquet_texts_that_are_not_utf8_are_refused_by_name(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "ads.parquet"
    latin = pa.array(["Sobalı".encode("iso8859-9")] * 3, pa.binary())
    table = pa.Table.from_pandas(ADS)
    heating = table.column_names.index("HeatingType")
    as_text = pa.Array.from_buffers(pa.string(), 3, latin.buffers())
    parquet.write_table(table.set_column(heating, "HeatingType", as_text), path)
    assert "cannot be read" in refusal(path)
    parquet.write_table(table.set_column(heating, "HeatingType", latin), path)
    assert "column HeatingType holds bytes" in refusal(path)


def test_nested_cells_of_a_parquet_table_are_refused_by_column(tmp_path):
    path = tmp_path / "ads.parquet"
    ADS.assign(address=[["Anasayfa", "Satılık Daire"]] * 3).to_parquet(path)
    assert "column address holds ndarray; texts in every file, or numbers, were expected" in refusal(path)


def test_texts_in_one_file_and_numbers_in_another_are_refused_by_column(tmp_path, csv):
    ADS.assign(price=[3_100_000, 1_250_000, 650_000]).to_parquet(tmp_path / "ads.parquet")
    assert "column price holds int, str" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_nul_byte_in_a_cell_is_refused_by_row_and_column(tmp_path, csv, suffix):
    text = csv.read_bytes().replace(b"650,000EUR", b"650\0,000EUR")
    path = tmp_path / f"nul{suffix}"
    path.write_bytes(gzip.compress(text) if suffix == ".csv.gz" else text)
    assert "row 3 has a NUL byte in column price" in refusal(path)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize("name", ["district", "price"])
def test_a_column_that_a_file_holds_twice_is_refused_by_name(csv, name, mark):
    header, *rows = lines_of(csv)
    again = [f"{mark}{header.rstrip()},{name}\n", *(f"{row.rstrip()},again\n" for row in rows)]
    csv.write_text("".join(again), encoding="utf-8")
    assert f"more than one column named {name}" in refusal(csv)


def test_a_column_beside_the_declared_ones_may_be_there_twice(tmp_path):
    path = tmp_path / "ads.csv"
    ADS.assign(note=1, again=2).rename(columns={"again": "note"}).to_csv(path, index=False)
    assert cells(read_listings(MARKET, str(path))) == ADS.to_numpy().tolist()


@pytest.mark.parametrize("row", [1, 3])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_row_with_fewer_fields_is_refused_by_its_number(tmp_path, csv, row, suffix):
    lines = lines_of(csv)
    lines[row] = lines[row].rstrip().removesuffix(",") + "\n"
    text = "".join(lines).encode()
    path = tmp_path / f"short{suffix}"
    path.write_bytes(gzip.compress(text) if suffix == ".csv.gz" else text)
    assert f"row {row} has {len(RAW) - 1} fields, the header {len(RAW)}" in refusal(path)


@pytest.mark.parametrize("lost", [30, 75, 150], ids=["between cells", "within a cell", "within quotes"])
def test_a_file_that_is_cut_off_is_refused(csv, lost):
    csv.write_bytes(csv.read_bytes()[:-lost])
    refusal(csv)


def test_a_last_line_without_its_end_and_blank_lines_are_allowed(csv):
    csv.write_text(csv.read_text(encoding="utf-8").replace("\n", "\n\n").rstrip("\n"), encoding="utf-8")
    assert cells(read_listings(MARKET, str(csv))) == ADS.to_numpy().tolist()


@pytest.mark.parametrize("rows", [[1], [3], [1, 2, 3]], ids=["the first", "the last", "all"])
def test_rows_with_more_fields_are_refused(csv, rows):
    lines = lines_of(csv)
    for row in rows:
        lines[row] = "0," + lines[row]
    csv.write_text("".join(lines), encoding="utf-8")
    assert "fields" in refusal(csv)


@pytest.mark.parametrize("cell", ["kadikoy", "Kombi Doğalgaz", "3. Kat"])
def test_a_quote_that_is_not_closed_is_refused(csv, cell):
    text = csv.read_text(encoding="utf-8")
    csv.write_text(text.replace(cell, f'"{cell}', 1), encoding="utf-8")
    refusal(csv)


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "ads.xlsx").touch()
    assert "expected a file ending in .csv, .csv.gz, .parquet" in refusal(tmp_path / "ads.xlsx")


@pytest.mark.parametrize("name", ["nowhere", "nowhere.csv"])
def test_a_place_that_there_is_not_is_refused(tmp_path, name):
    assert "nowhere" in refusal(tmp_path / name)
    assert refusal(tmp_path / name).endswith("there is no such file or folder")


@pytest.mark.parametrize("name", ["*.csv", ""])
def test_a_place_without_ads_is_refused(tmp_path, name):
    assert "no file ending in .csv, .csv.gz, .parquet found there" in refusal(tmp_path / name)
