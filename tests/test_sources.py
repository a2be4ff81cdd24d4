"""Nothing a file refers to is fetched: every request that reaches a server of our own is counted. What a user gives as an address works."""

import contextlib
import http.server
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import warnings
import zipfile
from functools import partial
from types import SimpleNamespace
from xml.sax.saxutils import escape

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.shutil
import shapely

from eo_pretrain_qgis.engine.formats import pictures
from eo_pretrain_qgis.engine.formats.tree import Tree
from eo_pretrain_qgis.engine.rasters import sources
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.rasters.vector import VectorLayer
from eo_pretrain_qgis.engine.themes.sea_ice.ground_control import raw
from eo_pretrain_qgis.errors import DataError, EOPretrainError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT

from .scenes import write_raster
from .test_jobs import CASES, made, resolve  # noqa: F401 - a fixture

WHOLE = Window(0, 0, 64, 64)


class Handler(http.server.SimpleHTTPRequestHandler):
    def send_head(self):
        self.server.asked.append(self.path)
        return super().send_head()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves an empty folder, `root`; `asked` are the paths asked for, `address` is where."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "served"
    root.mkdir()
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    serving.daemon_threads, serving.asked, serving.root = True, [], root
    serving.address = f"http://127.0.0.1:{serving.server_address[1]}"
    threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """As `server`, in a process of its own: pyogrio lets no thread of this one run while it waits. `asked` is a file."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "served"
    root.mkdir()
    with (tmp_path / "asked").open("wb") as log, subprocess.Popen(
            [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(root)], stdout=subprocess.PIPE, stderr=log,
            text=True) as process:
        port = process.stdout.readline().split(" port ")[1].split()[0]
        yield SimpleNamespace(root=root, asked=tmp_path / "asked", address=f"http://127.0.0.1:{port}")
        process.kill()


def image(path, value=7):
    return write_raster(path, np.full((1, 64, 64), value, np.uint16), names=("B02",))


def points(path, **options):
    geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=shapely.points([(500100, 5299900), (500200, 5299800)]), crs="EPSG:32633").to_file(
        path, **options)
    return path


def virtual(source, relative=0, more="", band=""):
    """The text of a VRT of one band."""
    return (f'<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32633</SRS><GeoTransform>500000,10,0,5300000,0,-10</GeoTransform>{more}'
            f'<VRTRasterBand dataType="UInt16" band="1" {band}><SimpleSource><SourceFilename relativeToVRT="{relative}">{escape(source)}'
            '</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>')


def virtual_layer(source, relative=0):
    return (f'<OGRVRTDataSource><OGRVRTLayer name="places"><SrcDataSource relativeToVRT="{relative}">{escape(source)}</SrcDataSource>'
            '</OGRVRTLayer></OGRVRTDataSource>')


def map_service(address):
    return (f'<GDAL_WMS><Service name="TMS"><ServerUrl>{address}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service><DataWindow><UpperLeftX>500000'
            '</UpperLeftX><UpperLeftY>5300000</UpperLeftY><LowerRightX>500640</LowerRightX><LowerRightY>5299360</LowerRightY><SizeX>64</SizeX>'
            '<SizeY>64</SizeY></DataWindow><Projection>EPSG:32633</Projection><BandsCount>1</BandsCount></GDAL_WMS>')


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


REMOTE = ["/vsicurl/{0}/a.tif", "/vsicurl?url={0}/a.tif", "/vsicurl_streaming/{0}/a.tif", "/vsis3/bucket/a.tif", "{0}/a.tif", "s3://bucket/a.tif",
          "/vsizip//vsicurl/{0}/a.zip/a.tif", "/vsizip/{{/vsicurl/{0}/a.zip}}/a.tif", "/vsicached?file=/vsicurl/{0}/a.tif", 'NETCDF:"{0}/a.nc":x',
          'NETCDF:"/vsicurl/{0}/a.nc":x', 'ZARR:"/vsicurl/{0}/a.zarr"', "WMS:{0}/w?layers=a", "WMTS:{0}/w", "WCS:{0}/w?coverage=a",
          'STACIT:"{0}/a.json"', "vrt:///vsicurl/{0}/a.tif", "GTI:/vsicurl/{0}/a.gti.gpkg", "SENTINEL2_L2A:/vsicurl/{0}/MTD.xml:10m:EPSG_32633"]


@pytest.mark.parametrize("remote", REMOTE)
@pytest.mark.parametrize("hidden", ["plain", "entities", "nested", "inline"])
def test_a_vrt_that_refers_to_the_network(server, folder, remote, hidden):
    remote = remote.format(server.address)
    text = virtual(remote)
    if hidden == "entities":
        text = text.replace("http", "&#104;&#x74;tp").replace("/vsi", "&#47;vsi").replace("s3:", "s&#51;:")
    elif hidden == "inline":
        text = virtual(virtual(remote))
    path = written(folder / "image.vrt", text)
    if hidden == "nested":
        path = written(folder / "outer.vrt", virtual("image.vrt", 1))
    with pytest.raises(DataError, match=r"image\.vrt refers to the address .*, and nothing is fetched from the network unless you give the "
                                        r"address yourself\. Download"):
        Raster(str(path)).read(WHOLE)
    assert server.asked == []


@pytest.mark.parametrize("ending", [".tif", ".jp2", ".png", ".dat", ""])
def test_a_vrt_under_another_name(server, folder, ending):
    path = written(folder / f"image{ending}", virtual(f"/vsicurl/{server.address}/a.tif"))
    for opened in (lambda: Raster(str(path)).read(WHOLE), lambda: raw({"path": str(path)}).__enter__(),
                   lambda: pictures.Picture(Tree(str(folder)), path.name).__enter__()):
        with pytest.raises(DataError, match=r"image\S* is a VRT although its name ends in "):
            opened()
    with pytest.raises(DataError, match="cannot be read as an image"):
        pictures.read_whole(path.read_bytes(), str(path))
    assert server.asked == []


def test_a_service_under_the_name_of_an_image(server, folder):
    path = written(folder / "image.tif", map_service(server.address))
    with pytest.raises(DataError, match=rf"image\.tif refers to the address {server.address}"):
        Raster(str(path)).read(WHOLE)
    nested = written(folder / "image.vrt", virtual("image.tif", 1))
    with pytest.raises(DataError, match=rf"image\.tif refers to the address {server.address}"):
        Raster(str(nested)).read(WHOLE)
    assert server.asked == []


@pytest.mark.parametrize("ending", [".ovr", ".msk"])
@pytest.mark.parametrize("text", [virtual, map_service])
def test_what_lies_beside_an_image(server, folder, ending, text):
    path = image(folder / "image.tif")
    written(folder / f"image.tif{ending}", text(f"/vsicurl/{server.address}/a.tif"))
    with pytest.raises(DataError, match=rf"image\.tif\{ending} (is a VRT|refers to the address)"):
        Raster(str(path)).read(WHOLE)
    assert server.asked == []


@pytest.mark.parametrize("remote", ["/vsicurl/{0}/a.tif", "{0}/a.tif", 'NETCDF:"{0}/a.nc":x'])
@pytest.mark.parametrize(("domain", "key"), [("OVERVIEWS", "OVERVIEW_FILE"), ("GEOLOCATION", "X_DATASET")])
@pytest.mark.parametrize("inside", [False, True])
def test_metadata_that_gdal_follows(server, folder, remote, domain, key, inside):
    remote, path = remote.format(server.address), image(folder / "image.tif")
    if inside:
        with rasterio.open(path, "r+") as opened:
            opened.update_tags(ns=domain, **{key: remote})
    else:
        written(folder / "image.tif.aux.xml", f'<PAMDataset><Metadata domain="{domain}"><MDI key="{key}">{escape(remote)}</MDI></Metadata>'
                '</PAMDataset>')
    with pytest.raises(DataError, match="refers to the address"):
        Raster(str(path)).read(WHOLE)
    assert server.asked == []


def test_an_address_in_words_is_no_reference(folder):
    path = image(folder / "image.tif")
    with rasterio.open(path, "r+") as opened:
        opened.update_tags(TIFFTAG_COPYRIGHT="https://creativecommons.org", source="/vsicurl/http://a.invalid/b.tif")
    written(folder / "image.tif.aux.xml", "<PAMDataset><Metadata><MDI key='more'>https://a.invalid/</MDI></Metadata></PAMDataset>")
    listed = written(folder / "image.vrt", virtual("image.tif", 1, "<Metadata><MDI key='more'>https://a.invalid/</MDI></Metadata>"))
    for each in (path, listed):
        assert (Raster(str(each)).read(WHOLE)[0] == 7).all()


def test_code_in_an_image_is_not_run(folder, monkeypatch):
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    image(folder / "image.tif")
    code = "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode><![CDATA[" \
           f"def f(*a, **k): open({str(folder / 'ran')!r}, 'w')\n]]></PixelFunctionCode><SimpleSource>"
    text = virtual("image.tif", 1, band='subClass="VRTDerivedRasterBand"').replace("<SimpleSource>", code)
    with pytest.raises(DataError, match=r"image\.vrt wants Python code to be run"):
        Raster(str(written(folder / "image.vrt", text))).read(WHOLE)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("relative", [0, 1])
def test_a_local_vrt_works(folder, relative):
    source = image(folder / "image.tif")
    inner = written(folder / "inner.vrt", virtual(source.name if relative else str(source), relative))
    outer = written(folder / "outer.vrt", virtual(inner.name if relative else str(inner), relative))
    assert (Raster(str(outer)).read(WHOLE)[0] == 7).all()


def test_subdatasets_archives_and_odd_names_work(folder, monkeypatch):
    path = image(folder / "image.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rasterio.shutil.copy(path, folder / "image.nc", driver="netCDF")
        rasterio.shutil.copy(path, folder / "image.gpkg", driver="GPKG")
    with zipfile.ZipFile(folder / "image.zip", "w") as archive:
        archive.write(path, "in/image.tif")
        archive.writestr("in/image.vrt", virtual("image.tif", 1))
    names = [f'NETCDF:"{folder}/image.nc":Band1', f"GPKG:{folder}/image.gpkg:image", f"/vsizip/{folder}/image.zip/in/image.tif",
             f"/vsizip/{{{folder}/image.zip}}/in/image.vrt", f"vrt://{path}?bands=1"]
    monkeypatch.chdir(folder)
    for odd in ("http:x.tif", "s3:y.tif", "zip:z.tif"):
        shutil.copy(path, odd)
        names.append(odd)
    for name in names:
        assert Raster(name).read(WHOLE)[0].max() == 7, name
    odd = points(folder / "points.gpkg").rename("https:x.gpkg")
    assert VectorLayer.open({"path": str(odd)}).read([]).shape[0] == 2
    assert VectorLayer.open({"path": f"{folder}/{odd}|layername=points"}).read([]).shape[0] == 2


def test_an_archive_with_a_vrt_that_refers_to_the_network(server, folder):
    with zipfile.ZipFile(folder / "image.zip", "w") as archive:
        archive.writestr("image.vrt", virtual(f'NETCDF:"{server.address}/a.nc":x'))
    with pytest.raises(DataError, match="refers to the address"):
        Raster(f"/vsizip/{folder}/image.zip/image.vrt").read(WHOLE)
    assert server.asked == []


def test_archives_that_cannot_be_looked_through(server, folder):
    with tarfile.open(folder / "image.tar", "w") as archive:
        for name, text in (("image.vrt", virtual(f'NETCDF:"{server.address}/a.nc":x')), ("places.vrt", virtual_layer(f"{server.address}/a.geojson"))):
            archive.add(written(folder / name, text), name)
    with pytest.raises(DataError, match="lies in an archive that cannot be looked through"):
        Raster(f"/vsitar/{folder}/image.tar/image.vrt").read(WHOLE)
    with pytest.raises(DataError, match="lies in an archive that cannot be looked through"):
        VectorLayer.open({"path": f"/vsitar/{folder}/image.tar/places.vrt"})
    assert server.asked == []


@pytest.mark.parametrize("crs", [
    r'"crs":{"type":"link","properties":{"href":"http:\/\/HOST\/crs","type":"ogcwkt"}}',
    r'"\u0063rs":{"type":"link","properties":{"\u0068ref":"http://HOST/crs","type":"ogcwkt"}}',
    r'"crs":{"a":{},"properties":{"b":{},"href":"http://HOST/crs"},"type":"li\u006ek"}',
])
def test_an_address_behind_escapes(server, folder, crs, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    path = written(folder / "places.geojson", '{"type":"FeatureCollection",CRS,"features":[{"type":"Feature","properties":{},"geometry":{"type":'
                   '"Point","coordinates":[1,2]}}]}'.replace("CRS", crs.replace("HOST", server.address.removeprefix("http://"))))
    with pytest.raises(DataError, match="refers to the address http://"):
        VectorLayer.open({"path": str(path)})
    assert server.asked == []


def test_a_named_crs_and_links_in_fields_are_fine(folder):
    named = '"crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}}'
    path = written(folder / "places.geojson", '{"type":"FeatureCollection",' + named + ',"features":[{"type":"Feature","properties":{"link":"http://example.org/a"},"geometry":{"type":"Point","coordinates":[1,2]}}]}')
    assert len(VectorLayer.open({"path": str(path)}).read(["link"])) == 1


def test_reading_a_layer_writes_nothing_beside_it(folder):
    frame = geopandas.GeoDataFrame({"a": [1]}, geometry=geopandas.points_from_xy([1], [2]), crs="EPSG:4326")
    pyogrio.write_dataframe(frame, folder / "a.gpkg", layer="a", driver="GPKG", layer_metadata={"KEY": "value"}, dataset_metadata={"KEY": "value"})
    (folder / "a.gpkg.aux.xml").write_text("mine", encoding="utf-8")
    VectorLayer.open({"path": str(folder / "a.gpkg")}).read(["a"])
    assert (folder / "a.gpkg.aux.xml").read_text(encoding="utf-8") == "mine"


def test_names_that_gdal_cannot_take(folder):
    for name in (os.fsdecode(b"\xe4.tif"), "a\0b.tif"):
        with pytest.raises(DataError, match="The name of the file .* cannot be read: it is not written in UTF-8"):
            Raster(str(folder / name)).read(WHOLE)
        with pytest.raises(DataError, match="The name of the file"):
            VectorLayer.open({"path": str(folder / name)})


@pytest.mark.parametrize("remote", ["{0}/a.geojson", "/vsicurl/{0}/a.gpkg", "/vsizip//vsicurl/{0}/a.zip", "WFS:{0}/w", "OAPIF:{0}/w", "ES:{0}",
                                    "MVT:{0}/14/1/1", "NGW:{0}/resource/1", "/vsis3/bucket/a.gpkg"])
@pytest.mark.parametrize("name", ["places.vrt", "places.gpkg", "places.geojson", "places.shp", "nested.vrt"])
def test_a_layer_that_refers_to_the_network(server, folder, remote, name):
    path = written(folder / name, virtual_layer(remote.format(server.address)))
    if name == "nested.vrt":
        path = written(folder / "outer.vrt", virtual_layer(name, 1))
    with pytest.raises(DataError, match="refers to the address" if name.endswith(".vrt") else "is a VRT although its name ends in"):
        VectorLayer.open({"path": str(path)})
    assert server.asked == []


def test_layers_in_text(server, folder):
    service = written(folder / "places.xml", f"<OGRWFSDataSource><URL>{server.address}/w</URL></OGRWFSDataSource>")
    linked = written(folder / "places.geojson", '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":{"type":'
                     '"Point","coordinates":[1,2]}}],"crs":{"type":"link","properties":{"href":"ADDRESS/crs","type":"proj4"}}}'
                     .replace("ADDRESS", server.address))
    pipeline = written(folder / "places.gdalg.json", '{"type":"gdal_streamed_alg","command_line":"gdal vector pipeline ! read ADDRESS/a.geojson ! '
                       'write --output-format=stream streamed_dataset"}'.replace("ADDRESS", server.address))
    for path in (service, linked, pipeline):
        with pytest.raises(DataError, match=f"refers to the address {server.address}"):
            VectorLayer.open({"path": str(path)})
    schema = written(folder / "places.gml", '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs" xmlns:gml="http://www.opengis.net/gml" '
                     'xmlns:o="http://ogr.maptools.org/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="'
                     f'http://ogr.maptools.org/ {server.address}/w?SERVICE=WFS&amp;REQUEST=DescribeFeatureType&amp;TYPENAME=o:a"><gml:featureMember>'
                     '<o:a><o:p><gml:Point srsName="EPSG:4326"><gml:coordinates>1,2</gml:coordinates></gml:Point></o:p></o:a></gml:featureMember>'
                     '</wfs:FeatureCollection>')
    assert VectorLayer.open({"path": str(schema)}).read([]).shape[0] == 1
    assert server.asked == []


def test_a_local_layer_vrt_works(folder):
    points(folder / "places.gpkg", layer="places")
    path = written(folder / "places.vrt", virtual_layer("places.gpkg", 1))
    assert VectorLayer.open({"path": str(path)}).read(["cover"])["cover"].tolist() == ["a", "b"]


def evil(kind, folder, server):
    """A file that phones home, for a parameter of a kind."""
    if kind == "vector":
        return str(written(folder / "evil.gpkg", virtual_layer(f"/vsicurl/{server.address}/a.gpkg")))
    return str(written(folder / "evil.tif", virtual(f"/vsicurl/{server.address}/a.tif")))


def layers():
    """Each parameter of each job that takes a raster or vector, with a case that gives it."""
    found = {}
    for job, case in CASES:
        for name, param in JOBS[job].parameters().items():
            if "fails" not in case and param.kind in ("raster", "vector", "layer") and name in case["params"]:
                found.setdefault((job, name), (job, name, param, case))
    return list(found.values())


@pytest.mark.parametrize(("job", "name", "param", "case"), layers(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_parameter_that_takes_a_layer(job, name, param, case, made, folder, server, tmp_path):  # noqa: F811
    params = resolve(job, case["params"], made, folder)
    for kind in ("raster", "vector") if param.kind == "layer" else (param.kind,):
        path = evil(kind, tmp_path, server)
        given = [path, *params[name][1:]] if isinstance(params[name], list) else path
        with pytest.raises(EOPretrainError, match="is a VRT although its name ends in"):
            run_job(JOBS[job].from_values({**params, name: given}), SILENT)
    assert server.asked == []


@pytest.mark.parametrize("form", ["{0}/{1}", "/vsicurl/{0}/{1}", "/vsicurl?url={0}/{1}"])
def test_an_address_that_the_user_gives_works(outside, folder, form):
    image(outside.root / "image.tif")
    points(outside.root / "points.gpkg")
    assert (Raster(form.format(outside.address, "image.tif")).read(WHOLE)[0] == 7).all()
    assert VectorLayer.open({"path": form.format(outside.address, "points.gpkg")}).read(["cover"])["cover"].tolist() == ["a", "b"]
    asked = outside.asked.read_text()
    assert "/image.tif" in asked and "/points.gpkg" in asked
    for path, opened in ((folder / "image.vrt", rasterio.open), (folder / "places.vrt", pyogrio.list_layers)):  # and the network is off again
        written(path, (virtual if path.name == "image.vrt" else virtual_layer)(f"/vsicurl/{outside.address}/other"))
        with contextlib.suppress(rasterio.errors.RasterioIOError, AttributeError):
            opened(path).read()
    assert outside.asked.read_text() == asked


def test_the_network_is_on_in_the_thread_that_reads_and_off_in_others(server, folder):
    image(server.root / "image.tif")
    found = []

    def reads():
        found.append(Raster(f"{server.address}/image.tif").read(WHOLE)[0].max())

    thread = threading.Thread(target=reads)
    thread.start()
    thread.join()
    assert found == [7]


def test_a_labelled_dataset_of_images_and_labels_given_as_addresses(outside, folder):
    image(outside.root / "image.tif")
    write_raster(outside.root / "classes.tif", np.arange(64 * 16, dtype=np.uint8).reshape(1, 32, 32) % 2 + 1, resolution=20.0)
    job = JOBS["create_training_dataset"].from_values({"images": [f"{outside.address}/image.tif"], "labels": f"{outside.address}/classes.tif",
                                                       "tile_size": 32, "validation_share": 0, "test_share": 0, "output": str(folder / "made")})
    assert run_job(job, SILENT)["tiles"] == 4


def test_formats_are_known_by_name():
    with rasterio.Env() as env:
        assert {"GTiff", "netCDF", "JP2OpenJPEG", "SENTINEL2"} <= set(env.drivers()) & set(sources.RASTERS)
    assert not {"VRT", "WMS", "MEM", "HTTP", "MRF", "GTI"} & set(sources.RASTERS)
    with pytest.raises(DataError, match="is of the format OGR_VRT, which is not read here"):
        sources.check_format("a.gpkg", "OGR_VRT")
