"""A bundle is written whole, verified before use, and refused in one line if anything is not right."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from bandwatch.models.activity import Geometry
from bandwatch.models.band_fitting import fit_band_model
from bandwatch.models.bundle import Bundle, shipped_bundle, write_bundle
from bandwatch.models.bundle_forecasts import add_forecasts
from bandwatch.models.bundle_training import geometry_of
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.engine import open_engine
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.simulator import Simulator

WIDTH = 4
GEOMETRY = Geometry(
    node="node", band="band", unit="dBm/bin", bins=256, first_hz=868e6, bin_hz=187.5, segments=2
)
PARTS = [
    "bands/node/band/activity.safetensors",
    "bands/node/band/activity.yaml",
    "encoder.safetensors",
]


@pytest.fixture(scope="module")
def weights():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return weights_of(Encoder(EncoderConfig(WIDTH)))


@pytest.fixture(scope="module")
def band_model():
    features = np.random.default_rng(0).random((200, 8 * WIDTH), dtype=np.float32)
    return fit_band_model(features, GEOMETRY)


@pytest.fixture
def path(tmp_path, weights, band_model):
    write_bundle(
        tmp_path / "bundle",
        weights,
        WIDTH,
        models={("node", "band"): [band_model]},
        training={"data": "none", "seed": 0},
        figures={"final_loss": 1.5},
    )
    return tmp_path / "bundle"


def refusal(path, **options) -> str:
    with pytest.raises(BadInput) as refused:
        Bundle.load(path, device="cpu", **options)
    message = str(refused.value)
    assert "\n" not in message
    return message


def rewrite(path, change) -> None:
    """Change the manifest as a forger or a broken tool might."""
    manifest = yaml.safe_load((path / "manifest.yaml").read_text())
    change(manifest)
    (path / "manifest.yaml").write_text(yaml.safe_dump(manifest))


def test_says_what_it_is_and_holds_its_parts_hashes(path):
    manifest = yaml.safe_load((path / "manifest.yaml").read_text())
    assert (manifest["version"], manifest["kind"]) == (1, "bandwatch-bundle")
    assert manifest["encoder"] == {"width": 4, "dimensions": 32}
    assert manifest["window"] == {"rows": 128, "bins": 128, "below_floor_db": 5, "above_floor_db": 35}
    assert manifest["training"] == {"data": "none", "seed": 0}
    assert manifest["figures"] == {"final_loss": 1.5}
    assert manifest["parts"] == {
        name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in PARTS
    }
    assert {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} == {
        "manifest.yaml",
        *PARTS,
    }


def test_goes_by_the_hash_of_its_manifest(path):
    bundle = Bundle.load(path, device="cpu")
    assert bundle.hash == hashlib.sha256((path / "manifest.yaml").read_bytes()).hexdigest()
    assert bundle.name == bundle.hash[:12]
    assert (bundle.dimensions, bundle.device) == (32, "cpu")


def test_the_same_contents_have_the_same_hash(tmp_path, weights, band_model):
    names = {
        write_bundle(tmp_path / name, weights, WIDTH, models={("n", "b"): [band_model]})
        for name in ("one", "other")
    }
    assert len(names) == 1


def test_embeds_as_its_encoder_does(path, weights):
    windows = np.random.default_rng(1).random((5, 128, 128), dtype=np.float32)
    expected = open_engine(weights, WIDTH, device="cpu").embed(windows)
    bundle = Bundle.load(path, device="cpu", threads=1)
    features = bundle.embed(windows)
    assert np.array_equal(features, expected)
    assert np.array_equal(bundle.embed(windows.astype(np.float64)), expected)
    assert np.array_equal(bundle.embed(windows[:, :, ::-1][:, :, ::-1]), expected)
    assert bundle.embed(windows[:0]).shape == (0, 32)


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (np.zeros((128, 128), np.float32), "windows of shape [128, 128], needs [n, 128, 128]"),
        (np.zeros((1, 128, 64), np.float32), "windows of shape [1, 128, 64], needs [n, 128, 128]"),
        (np.zeros((1, 128, 128), np.int32), "windows of int32, needs float32"),
        (np.full((1, 128, 128), np.nan, np.float32), "windows hold values from nan to nan, needs 0 to 1"),
        (np.full((1, 128, 128), np.inf, np.float32), "windows hold values from inf to inf, needs 0 to 1"),
        (np.full((1, 128, 128), -0.5, np.float32), "windows hold values from -0.5 to -0.5, needs 0 to 1"),
        (np.full((1, 128, 128), -99.5, np.float32), "windows hold values from -99.5 to -99.5, needs 0 to 1"),
    ],
)
def test_windows_it_cannot_use_are_refused(path, windows, message):
    with pytest.raises(BadInput) as refused:
        Bundle.load(path, device="cpu").embed(windows)
    assert str(refused.value) == message


def test_one_nan_among_good_values_is_refused(path):
    windows = np.full((2, 128, 128), 0.5, np.float32)
    windows[1, 7, 9] = np.nan
    with pytest.raises(BadInput, match="needs 0 to 1"):
        Bundle.load(path, device="cpu").embed(windows)


def test_gives_the_models_of_its_bands_and_none_of_others(path, band_model):
    bundle = Bundle.load(path, device="cpu")
    assert bundle.bands() == [("node", "band")]
    assert bundle.band_model("node", "band").name == band_model.name
    assert bundle.band_model("node", "other") is None
    assert bundle.band_model("..", "band") is None
    assert bundle.cnn_lstm("node", "band") is None


def test_a_file_the_manifest_does_not_name_is_not_used(path, band_model):
    band_model.save(path / "bands" / "node" / "smuggled")
    assert Bundle.load(path, device="cpu").band_model("node", "smuggled") is None


@pytest.mark.parametrize(
    ("part", "other"),
    [("activity.yaml", "activity.safetensors"), ("activity.safetensors", "activity.yaml")],
)
def test_half_a_model_in_the_manifest_is_refused(path, part, other):
    rewrite(path, lambda manifest: manifest["parts"].pop(f"bands/node/band/{other}"))
    assert refusal(path) == (
        f"bundle {path}: its manifest names bands/node/band/{part} but no bands/node/band/{other}"
    )


def test_a_forecasters_weights_that_the_manifest_does_not_name_are_not_opened(path):
    folder = path / "bands" / "node" / "band"
    (folder / "forecast.yaml").write_text("kind: cnn-lstm")
    (folder / "forecast.safetensors").write_bytes(b"smuggled")
    sha256 = hashlib.sha256(b"kind: cnn-lstm").hexdigest()
    rewrite(path, lambda manifest: manifest["parts"].update({"bands/node/band/forecast.yaml": sha256}))
    assert "names bands/node/band/forecast.yaml but no bands/node/band/forecast.safetensors" in refusal(path)


@pytest.mark.parametrize("part", PARTS[:2])
def test_a_part_replaced_after_loading_is_not_used(path, part):
    bundle = Bundle.load(path, device="cpu")
    other = fit_band_model(np.random.default_rng(1).random((99, 8 * WIDTH), dtype=np.float32), GEOMETRY)
    other.save(path / "bands" / "node" / "band")
    with pytest.raises(
        BadInput, match=r"part bands/node/band/activity\.\w+ has SHA-256 .*, its manifest says"
    ):
        bundle.band_model("node", "band")
    (path / part).unlink()
    with pytest.raises(BadInput, match=r"is missing|has SHA-256"):
        bundle.band_model("node", "band")


def test_a_part_replaced_after_loading_is_not_copied(path, tmp_path):
    bundle = Bundle.load(path, device="cpu")
    (path / PARTS[1]).write_text("of something else")
    with pytest.raises(BadInput, match=f"part {PARTS[1]} has SHA-256"):
        add_forecasts(bundle, tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def test_a_band_model_of_another_encoder_is_refused(tmp_path, weights):
    features = np.random.default_rng(0).random((100, 16), dtype=np.float32)
    model = fit_band_model(features, GEOMETRY)
    write_bundle(tmp_path / "b", weights, WIDTH, models={("node", "band"): [model]})
    with pytest.raises(BadInput, match="the model of node/band takes 16 features, the encoder gives 32"):
        Bundle.load(tmp_path / "b", device="cpu").band_model("node", "band")


class TestIsRefused:
    def test_if_it_is_not_there(self, tmp_path):
        assert refusal(tmp_path / "none") == f"bundle {tmp_path / 'none'}: no such folder"

    def test_without_a_manifest(self, path):
        (path / "manifest.yaml").unlink()
        assert refusal(path) == f"bundle {path}: has no manifest.yaml"

    @pytest.mark.parametrize("part", PARTS)
    def test_without_a_part(self, path, part):
        (path / part).unlink()
        assert refusal(path) == f"bundle {path}: part {part} is missing"

    @pytest.mark.parametrize("part", PARTS)
    def test_with_a_part_that_was_changed(self, path, part):
        content = bytearray((path / part).read_bytes())
        before = hashlib.sha256(content).hexdigest()[:12]
        content[len(content) // 2] ^= 1
        (path / part).write_bytes(content)
        after = hashlib.sha256(content).hexdigest()[:12]
        assert refusal(path) == (
            f"bundle {path}: part {part} has SHA-256 {after}, its manifest says {before}"
        )

    def test_with_a_part_cut_short(self, path):
        encoder = path / "encoder.safetensors"
        encoder.write_bytes(encoder.read_bytes()[:1000])
        assert "part encoder.safetensors has SHA-256" in refusal(path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda m: m.update(version=2), "version 2, this program reads 1"),
            (lambda m: m.pop("version"), "version None, this program reads 1"),
            (lambda m: m.update(kind="other"), "not a bundle's manifest"),
            (lambda m: m.pop("encoder"), "has no section 'encoder'"),
            (lambda m: m["encoder"].update(width=0), "encoder width is 0, needs 1 to 512"),
            (lambda m: m["encoder"].update(width="4"), "encoder width is '4', needs 1 to 512"),
            (lambda m: m["encoder"].update(width=True), "encoder width is True, needs 1 to 512"),
            (
                lambda m: m["window"].update(below_floor_db=10),
                "window below_floor_db is 10, this program cuts 5",
            ),
            (lambda m: m["window"].pop("rows"), "window rows is None, this program cuts 128"),
            (lambda m: m.pop("parts"), "has no section 'parts'"),
            (
                lambda m: m["parts"].update({"../outside": "0" * 64}),
                "part '../outside' is not a file of the bundle with its SHA-256",
            ),
            (
                lambda m: m["parts"].update({"/etc/passwd": "0" * 64}),
                "part '/etc/passwd' is not a file of the bundle with its SHA-256",
            ),
            (
                lambda m: m["parts"].update({7: "0" * 64}),
                "part 7 is not a file of the bundle with its SHA-256",
            ),
            (
                lambda m: m["parts"].update({"encoder.safetensors": "abc"}),
                "part 'encoder.safetensors' is not a file of the bundle with its SHA-256",
            ),
        ],
    )
    def test_for_what_its_manifest_says(self, path, change, message):
        rewrite(path, change)
        assert refusal(path) == f"{path / 'manifest.yaml'}: {message}"

    @pytest.mark.parametrize("text", ["{", "\x80", ""])
    def test_for_a_manifest_that_is_none(self, path, text):
        (path / "manifest.yaml").write_text(text, encoding="latin-1")
        assert refusal(path).startswith(f"{path / 'manifest.yaml'}: not ")

    def test_without_an_encoder(self, path):
        rewrite(path, lambda m: m["parts"].pop("encoder.safetensors"))
        assert refusal(path) == f"bundle {path}: its manifest names no encoder.safetensors"

    def test_for_weights_of_another_width(self, path):
        rewrite(path, lambda m: m["encoder"].update(width=8))
        assert refusal(path) == (
            f"{path / 'encoder.safetensors'}: array 'stem.conv.weight' has shape [4, 1, 7, 7], "
            "needs [8, 1, 7, 7]"
        )

    def test_for_a_device_that_is_unknown(self, path):
        with pytest.raises(BadInput, match="device 'npu' is unknown"):
            Bundle.load(path, device="npu")


class TestIsNotWritten:
    def test_over_another(self, path, weights):
        before = (path / "manifest.yaml").read_bytes()
        with pytest.raises(BadInput) as refused:
            write_bundle(path, weights, WIDTH)
        assert str(refused.value) == (
            f"bundle {path}: is there already, and bundles never change; write to another folder"
        )
        assert (path / "manifest.yaml").read_bytes() == before

    def test_with_weights_of_another_width(self, tmp_path, weights):
        with pytest.raises(BadInput, match="weights do not fit an encoder of width 8: 'stem.conv.weight'"):
            write_bundle(tmp_path / "b", weights, 8)

    @pytest.mark.parametrize("name", ["../up", "", "a/b", ".hidden", "naïve"])
    def test_with_a_name_that_is_no_folder(self, tmp_path, weights, band_model, name):
        with pytest.raises(BadInput, match="cannot be a folder's"):
            write_bundle(tmp_path / "b", weights, WIDTH, models={(name, "band"): [band_model]})
        assert list(tmp_path.iterdir()) == []

    def test_in_part_if_a_model_fails_to_save(self, tmp_path, weights):
        class Fails:
            def save(self, folder):
                raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            write_bundle(tmp_path / "b", weights, WIDTH, models={("n", "b"): [Fails()]})
        assert list(tmp_path.iterdir()) == []


class TestTheShippedBundle:
    def test_loads_and_knows_the_simulated_band(self):
        bundle = Bundle.load(shipped_bundle(), device="cpu")
        model = bundle.band_model("simulated", "srd-868")
        assert model is not None
        model.check(geometry_of(next(Simulator(1).frames())))
        assert bundle.cnn_lstm("simulated", "srd-868") is not None
        clusters, _, novelty = model.assign(bundle.embed(np.full((1, 128, 128), 0.125, np.float32)))
        assert clusters.shape == novelty.shape == (1,)

    def test_is_small(self):
        size = sum(path.stat().st_size for path in shipped_bundle().rglob("*") if path.is_file())
        assert size < 6e6

    def test_says_how_it_was_made(self):
        manifest = Bundle.load(shipped_bundle(), device="cpu").manifest
        assert {"command", "data", "seed", "epochs"} <= manifest.training.keys()
        assert {"loss_by_epoch", "nmi_kinds_default_band"} <= manifest.figures.keys()


def test_loading_needs_no_torch(path):
    program = (
        "import sys; from bandwatch.models.bundle import Bundle; "
        f"Bundle.load({str(path)!r}, device='cpu').band_model('node', 'band'); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout.strip(), ran.stderr) == ("False", "")
