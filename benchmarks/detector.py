"""The detector's loader, training step, target assignment and evaluation, against references.

- Loader: pictures a second, decoded and augmented. The reference reads the same JPEG files with
  torchvision and applies the same transforms of torchvision.transforms.v2.
- Training step: `fit` of `vigil.learn.training.loop` with the section `train_detector` of
  `params.yaml`, from the first batch of an epoch to its last. The reference is a bare loop over
  batches in memory with the same arithmetic: forward, backward, clipping, AdamW, schedule, moving
  average. A bare epoch runs before each epoch of ours, in one process.
- Assignment: `match_anchors` of 64 pictures with 20 objects each to 14,400 anchors. The reference
  is a Python loop over the anchors, which is timed on some of them and scaled up.
- Detection: one picture of 480x360 through `TrainedDetector`, which folds norms and keeps weights
  in the precision of the arithmetic. The reference is the network as it was trained.
- Evaluation: `measure_detections` of 2,000 pictures, and `measure_masks` of as many. The reference
  is pycocotools. Both start from tables in memory, and the numbers must be the same.

Measured on a quiet 2-core AMD EPYC VM with bfloat16 units: a step 424 ms and 420 ms (1.01x),
assignment 0.08 s and 47 s, evaluation 1.35 s and 6.60 s (5.2x).
"""

import contextlib
import io
import os
import shutil
import statistics
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from measure import WORK, Row, log, median_ratio, shipped, side_by_side
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import io as torchvision_io
from torchvision.ops import box_iou
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, Image

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS
from vigil.domain.measures.detector import measure_detections, measure_masks
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures
from vigil.domain.pictures.run_lengths import compress, runs_of_part
from vigil.learn.detector.network.anchor import anchor_shapes, place_anchors
from vigil.learn.detector.network.data import Batch, PictureDataset, batches
from vigil.learn.detector.network.detecting import detect
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.matching import match_anchors
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.tensors import Truth
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.detector.training.augmentation import BoxAugmentation
from vigil.learn.detector.training.module import DetectorTraining
from vigil.learn.networks.machine import choose_device, choose_precision, prepare_torch
from vigil.learn.networks.weights import save_model
from vigil.learn.training.loop import Plan, fit
from vigil.learn.training.optimisation import configure
from vigil.pixels.fitting import PADDING_RGB
from vigil.settings.suppression import DEFAULT
from vigil.settings.train_detector import TrainDetector

NUM_PICTURES, SIZE_WH, STRIDES = 64, (480, 360), (8,)
NUM_ROUNDS = 7
STEP_TARGET, ASSIGNMENT_TARGET, EVALUATION_TARGET = 1.05, 50.0, 3.0
NUM_LOOPED = 200  # anchors that the reference loop is timed on; all of them would take minutes
NUM_DETECTED = 40
MASK_METRICS = ("segm_map", "segm_map_50")
METRICS = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large", "mar_100")


def run() -> list[Row]:
    settings = shipped(TrainDetector)
    plain = settings.augmentation.model_copy(update={"mosaic_probability": 0.0})
    settings = settings.model_copy(update={"augmentation": plain})
    truth = make_pictures(WORK / "pictures")
    return [
        _loader(settings, truth),
        _step(settings, truth),
        _assignment(),
        _evaluation(),
        _mask_evaluation(),
        *_detect(settings),
    ]


def make_pictures(folder: Path) -> AnnotatedPictures:
    """Writes JPEG files to `loose/` and the same files to an archive; each has eight boxes."""
    rng = np.random.default_rng(0)
    names = [f"{number:03d}.jpg" for number in range(NUM_PICTURES)]
    width, height = SIZE_WH
    if not (folder / "frames.zip").exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "loose").mkdir(parents=True)
        for name in names:
            small = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
            picture = cv2.resize(small, SIZE_WH, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / "loose" / name), picture)
        with zipfile.ZipFile(folder / "frames.zip.partial", "w") as archive:
            for name in names:
                archive.write(folder / "loose" / name, name)
        (folder / "frames.zip.partial").rename(folder / "frames.zip")
    images = pd.DataFrame(
        {
            "file_name": [f"frames.zip/{name}" for name in names],
            "width": width,
            "height": height,
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    corners = rng.integers(0, 250, (8 * NUM_PICTURES, 2)).astype(float)
    sides = rng.integers(15, 100, (8 * NUM_PICTURES, 2))
    boxes = pd.DataFrame(np.hstack([corners, corners + sides]), columns=CORNERS)
    boxes.insert(0, "image", np.repeat(images["file_name"].to_numpy(), 8))
    boxes.insert(1, "label", "human")
    return AnnotatedPictures.of(
        images, boxes.assign(is_crowd=False, is_difficult=False), ("human",)
    )


def _loader(settings: TrainDetector, truth: AnnotatedPictures) -> Row:
    log(f"detector: loading {NUM_PICTURES} pictures")
    change, batch_size = settings.augmentation, settings.fitting.batch_size
    dataset = _dataset(settings, truth)
    loader = batches(dataset, batch_size, shuffle_seed=0)
    paths = [WORK / "pictures/loose" / name.split("/")[1] for name in dataset.ids]
    rows_of_picture = {name: rows[CORNERS] for name, rows in truth.boxes.groupby("image")}
    boxes = [torch.tensor(rows_of_picture[name].to_numpy(np.float32)) for name in dataset.ids]

    def ours() -> float:
        start = time.perf_counter()
        for _ in loader:
            pass
        return NUM_PICTURES / (time.perf_counter() - start)

    def plain() -> float:
        start = time.perf_counter()
        pending: list[Tensor] = []
        for path, corners in zip(paths, boxes, strict=True):
            # The scale is drawn as in our augmentation; torchvision's transform cannot do that.
            scale = change.max_scale ** float(torch.empty(()).uniform_(-1, 1))
            transform = v2.Compose(
                [
                    v2.RandomHorizontalFlip(change.flip_probability),
                    v2.RandomAffine(
                        0,
                        (change.max_shift, change.max_shift),
                        (scale, scale),
                        interpolation=v2.InterpolationMode.BILINEAR,
                        fill=list(PADDING_RGB),
                    ),
                    v2.ColorJitter(
                        change.brightness, change.contrast, change.saturation, change.hue
                    ),
                    v2.SanitizeBoundingBoxes(labels_getter=None),
                ]
            )
            picture = Image(torchvision_io.read_image(str(path)))
            changed, _ = transform(
                picture, BoundingBoxes(corners, format="XYXY", canvas_size=SIZE_WH[::-1])
            )
            pending.append(changed)
            if len(pending) == batch_size:
                torch.stack(pending)
                pending.clear()
        return NUM_PICTURES / (time.perf_counter() - start)

    ours_rate, plain_rate = side_by_side([ours, plain], NUM_ROUNDS)
    return Row(
        "load and change pictures of 480x360, against a torchvision loop",
        f"{statistics.median(ours_rate):.0f}/s",
        f"{statistics.median(plain_rate):.0f}/s",
        median_ratio(ours_rate, plain_rate),
    )


def _dataset(settings: TrainDetector, truth: AnnotatedPictures) -> PictureDataset:
    return PictureDataset(
        WORK / "pictures",
        truth,
        input_size_wh=SIZE_WH,
        augmentation=BoxAugmentation(settings.augmentation, NUM_ROUNDS + 1),
    )


class Stored(DataLoader[Batch]):
    """The same batches in every epoch, from memory."""

    def __init__(self, kept: list[Batch]) -> None:
        super().__init__(kept, batch_size=None)  # type: ignore[arg-type]


class Timed(DetectorTraining):
    """Runs a bare epoch before each epoch, and times the batches of both."""

    bare_epoch: Callable[[], None]

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self.ours_s: list[float] = []
        self.bare_s: list[float] = []
        self._start = 0.0

    def on_train_epoch_start(self) -> None:
        before = time.perf_counter()
        self.bare_epoch()
        self._start = time.perf_counter()
        self.bare_s.append(self._start - before)

    def on_validation_epoch_start(self) -> None:  # runs after the epoch's last training batch
        self.ours_s.append(time.perf_counter() - self._start)
        super().on_validation_epoch_start()


def _step(settings: TrainDetector, truth: AnnotatedPictures) -> Row:
    os.environ["VIGIL_DEVICE"] = "cpu"  # as in the bare loop
    num_epochs = NUM_ROUNDS + 1
    log(f"detector: {num_epochs} epochs of 8 batches, bare and with Lightning in turn")
    kept = list(batches(_dataset(settings, truth), settings.fitting.batch_size, shuffle_seed=0))
    one = truth.select(list(truth.images.index[:1]))
    val_set = PictureDataset(WORK / "pictures", one, input_size_wh=SIZE_WH)
    enough = {"max_epochs": num_epochs, "patience_epochs": num_epochs}
    settings = settings.model_copy(update={"fitting": settings.fitting.model_copy(update=enough)})

    def measure(_: pd.DataFrame) -> float:
        return 0.0

    module = Timed(_build(settings), settings, val_set=val_set, measure=measure)
    bare = DetectorTraining(_build(settings), settings, val_set=val_set, measure=measure)
    module.bare_epoch = _bare_loop(settings, bare, kept)
    curves, state = WORK / "curves", WORK / "state"
    for left in (curves, state):
        shutil.rmtree(left, ignore_errors=True)
    os.environ["VIGIL_STATE_DIR"] = str(state)
    plan = Plan(
        module,
        Stored(kept),
        batches(val_set, 1, shuffle_seed=None),
        settings.fitting.chosen,
        monitor=settings.monitor,
        mode=settings.mode,
        seed=settings.seed,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        fit(plan, branch="detector", fingerprint="benchmark", curves=curves)
    ours_s, bare_s = module.ours_s[1:], module.bare_s[1:]  # the first pair is warm-up
    ratio = median_ratio(ours_s, bare_s)
    return Row(
        f"a training step of {settings.fitting.batch_size} pictures, against a bare loop",
        f"{1000 * statistics.median(ours_s) / len(kept):.0f} ms",
        f"{1000 * statistics.median(bare_s) / len(kept):.0f} ms",
        ratio,
        f"<= {STEP_TARGET:.2f}x",
        ratio <= STEP_TARGET,
    )


def _bare_loop(
    settings: TrainDetector, bare: DetectorTraining, kept: list[Batch]
) -> Callable[[], None]:
    network, average = bare.network.train(), bare.average
    num_steps = settings.fitting.chosen.max_epochs * len(kept)
    (optimiser,), (schedule,) = configure(
        settings.optimisation,
        network.parameters(),
        num_steps,
        monitor=settings.monitor,
        mode=settings.mode,
    )
    average_state = dict(average.state_dict()) if average else {}
    floats = [name for name, tensor in average_state.items() if tensor.is_floating_point()]

    precision = choose_precision(settings.fitting.precision, choose_device())
    clip = settings.fitting.gradient_clip

    def epoch() -> None:
        for pictures, truth in kept:
            with torch.autocast("cpu", torch.bfloat16, precision == "bf16-mixed"):
                losses = network.losses(pictures, truth)
            total = torch.stack([loss.float() for loss in losses.values()]).sum()
            optimiser.zero_grad()
            total.backward()
            if clip:
                nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimiser.step()
            schedule["scheduler"].step()
            if average_state:
                new = network.state_dict()
                with torch.no_grad():
                    torch._foreach_lerp_(
                        [average_state[name] for name in floats],
                        [new[name] for name in floats],
                        1 - settings.ema_decay,
                    )

    return epoch


def _build(settings: TrainDetector) -> Detector:
    torch.manual_seed(0)
    return build_detector("grid", _configs(settings)["grid"])


def _configs(settings: TrainDetector) -> dict[str, dict[str, Any]]:
    """The configurations that detectors are built from, by architecture."""
    shared = {
        "features": settings.features.model_dump(exclude={"strides"}),
        "loss": settings.loss.model_dump(),
        "num_classes": 1,
        "strides": STRIDES,
    }
    anchor = settings.anchor.model_dump(mode="json", exclude={"num_sizes"})
    of_torchvision: dict[str, Any] = {"num_classes": 1, "input_size_wh": SIZE_WH}
    return {
        "grid": shared | settings.grid.model_dump(),
        "anchor": shared | anchor | {"sizes_px": [24.0, 48.0, 96.0]},
        "yolox_nano": {"loss": settings.loss.model_dump(), "num_classes": 1},
        "ssdlite320_mobilenet_v3_large": of_torchvision,
        "fasterrcnn_mobilenet_v3_large_320_fpn": of_torchvision,
    }


def _detect(settings: TrainDetector) -> list[Row]:
    """Times pictures one by one through each architecture, with random weights."""
    prepare_torch()
    log(f"detector: {NUM_DETECTED} pictures one by one through five architectures")
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    batch = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    precision = settings.fitting.precision
    rows = []
    for architecture, config in _configs(settings).items():
        torch.manual_seed(0)
        network = build_detector(architecture, config)
        weights, card = WORK / "detector.safetensors", WORK / "detector.json"
        facts: dict[str, Any] = {"architecture": architecture, "config": config}
        facts |= {"classes": ["human"], "input_size_wh": SIZE_WH, "precision": precision}
        save_model(network.state_dict(), facts, weights, card)
        trained = TrainedDetector.from_files(weights, card)
        network = network.to(memory_format=torch.channels_last).eval()

        def ours(trained: TrainedDetector = trained) -> float:
            start = time.perf_counter()
            trained(picture)
            return time.perf_counter() - start

        @torch.inference_mode()
        def plain(network: Detector = network) -> float:
            start = time.perf_counter()
            detect(network, batch, DEFAULT, precision)
            return time.perf_counter() - start

        ours_s, plain_s = side_by_side([ours, plain], NUM_DETECTED)
        rows.append(
            Row(
                f"detect in one picture, {architecture}, against the network as it was trained",
                f"{1000 * statistics.median(ours_s):.1f} ms",
                f"{1000 * statistics.median(plain_s):.1f} ms",
                median_ratio(ours_s, plain_s),
            )
        )
    return rows


def _assignment() -> Row:
    log("detector: assigning 64 pictures x 20 objects to 14,400 anchors")
    shapes = anchor_shapes([24.0, 48.0, 96.0], [0.5, 1.0, 2.0])
    anchors = place_anchors(shapes, (40, 40), 8)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 280, (64, 20, 2))
    boxes = torch.from_numpy(
        np.concatenate([corners, corners + rng.uniform(10, 90, (64, 20, 2))], axis=2)
    ).float()
    yes = torch.ones(64, 20, dtype=torch.bool)
    truth = Truth(boxes, torch.zeros(64, 20, dtype=torch.int64), yes, ~yes)

    def ours() -> float:
        start = time.perf_counter()
        match_anchors(anchors, truth, 0.5, 0.4)
        return time.perf_counter() - start

    def looped() -> float:
        start = time.perf_counter()
        for position in range(NUM_LOOPED):
            overlaps = box_iou(anchors[position : position + 1], boxes[position % 64])[0]
            best = int(overlaps.argmax())
            best if overlaps[best] >= 0.5 else -1 if overlaps[best] < 0.4 else -2
        return (time.perf_counter() - start) / NUM_LOOPED * len(anchors) * len(boxes)

    ours_s, looped_s = side_by_side([ours, looped], NUM_ROUNDS)
    ratio = median_ratio(looped_s, ours_s)
    return Row(
        "assign targets: 64 pictures x 14,400 anchors x 20 objects, against a loop over anchors",
        f"{statistics.median(ours_s):.2f} s",
        f"{statistics.median(looped_s):.0f} s",
        ratio,
        f">= {ASSIGNMENT_TARGET:.0f}x",
        ratio >= ASSIGNMENT_TARGET,
    )


def _evaluation() -> Row:
    log("detector: measuring 2,000 pictures")
    truth, detections = _random_set()
    return _compare(
        "measure detections in 2,000 pictures, against pycocotools (same numbers)",
        METRICS,
        lambda: measure_detections(truth, detections, decimals=None),
        lambda: _pycocotools(truth, detections),
    )


def _mask_evaluation() -> Row:
    """An ellipse fills the box of each object, and of the 20 best detections of each picture."""
    log("detector: measuring the masks of 2,000 pictures")
    truth, detections = _random_set()
    detections = detections.groupby("image").head(20).reset_index(drop=True)
    truth.boxes[COUNTS] = _ellipses(truth.boxes)
    detections[COUNTS] = _ellipses(detections)
    return _compare(
        "measure masks in 2,000 pictures, against pycocotools (same numbers)",
        MASK_METRICS,
        lambda: measure_masks(truth, detections, decimals=None),
        lambda: {f"segm_{name}": n for name, n in _pycocotools(truth, detections, "segm").items()},
    )


def _compare(
    what: str,
    names: Sequence[str],
    measure: Callable[[], Mapping[str, Any]],
    reference: Callable[[], Mapping[str, float]],
) -> Row:
    """Times both, and raises AssertionError if they differ in a number."""
    results: list[Mapping[str, float]] = [{}, {}]

    def ours() -> float:
        start = time.perf_counter()
        results[0] = measure()
        return time.perf_counter() - start

    def plain() -> float:
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            results[1] = reference()
        return time.perf_counter() - start

    ours_s, plain_s = side_by_side([ours, plain], 3)
    for name in names:
        if abs(results[0][name] - results[1][name]) > 1e-6:
            raise AssertionError(f"{name}: {results[0][name]} against {results[1][name]}")
    ratio = median_ratio(plain_s, ours_s)
    return Row(
        what,
        f"{statistics.median(ours_s):.2f} s",
        f"{statistics.median(plain_s):.2f} s",
        ratio,
        f">= {EVALUATION_TARGET:.0f}x",
        ratio >= EVALUATION_TARGET,
    )


def _ellipses(table: pd.DataFrame) -> list[str]:
    """An ellipse that fills each box, as compressed run lengths of a picture of 640x640 px."""
    texts = []
    for x1, y1, x2, y2 in np.clip(table[CORNERS].to_numpy(), 0, 640).round().astype(int).tolist():
        ys, xs = np.ogrid[: y2 - y1, : x2 - x1]
        width, height = max(x2 - x1, 1), max(y2 - y1, 1)
        part = ((2 * xs + 1) / width - 1) ** 2 + ((2 * ys + 1) / height - 1) ** 2 <= 1
        texts.append(compress(runs_of_part(part, (x1, y1), (640, 640))))
    return texts


def _random_set() -> tuple[AnnotatedPictures, pd.DataFrame]:
    """2,000 pictures with ten objects of three classes and 50 detections each, many close by."""
    rng = np.random.default_rng(0)
    names = [f"{number:05d}.jpg" for number in range(2000)]
    num = 10 * len(names)
    corners, sides = rng.uniform(0, 400, (num, 2)), rng.uniform(8, 160, (num, 2))
    boxes = pd.DataFrame(np.hstack([corners, corners + sides]), columns=CORNERS)
    boxes.insert(0, "image", np.repeat(names, 10))
    boxes.insert(1, "label", rng.choice(["car", "human", "sign"], num))
    images = pd.DataFrame(
        {"file_name": names, "width": 640, "height": 640, "video": "", "frame_index": -1}
    ).assign(sha256="")
    truth = AnnotatedPictures.of(
        images, boxes.assign(is_crowd=False, is_difficult=False), ("car", "human", "sign")
    )
    detections = pd.concat([boxes] * 5, ignore_index=True)
    detections[CORNERS] += rng.normal(0, 6, (len(detections), 4))
    detections[["x2", "y2"]] = np.maximum(
        detections[["x2", "y2"]], detections[["x1", "y1"]].to_numpy() + 1
    )
    detections["score"] = rng.uniform(0, 1, len(detections)).round(6)
    detections = detections.sort_values(["image", "score"], ascending=[True, False], kind="stable")
    return truth, detections[list(DETECTION_COLUMNS)].reset_index(drop=True)


def _pycocotools(
    truth: AnnotatedPictures, detections: pd.DataFrame, kind: str = "bbox"
) -> dict[str, float]:
    numbers = {name: number for number, name in enumerate(truth.images.index, start=1)}
    classes = {name: number for number, name in enumerate(truth.classes, start=1)}

    def columns(table: pd.DataFrame) -> list[dict[str, Any]]:
        wh = table[["x2", "y2"]].to_numpy() - table[["x1", "y1"]].to_numpy()
        rows: list[dict[str, Any]] = [
            {"image_id": numbers[image], "category_id": classes[label], "bbox": [x, y, w, h]}
            for image, label, x, y, (w, h) in zip(
                table["image"], table["label"], table["x1"], table["y1"], wh.tolist(), strict=True
            )
        ]
        if kind == "segm":
            for row, text in zip(rows, table[COUNTS], strict=True):
                row["segmentation"] = {"size": [640, 640], "counts": text}
        return rows

    real = COCO()
    real.dataset = {
        "images": [{"id": number, "width": 640, "height": 640} for number in numbers.values()],
        "categories": [{"id": number} for number in classes.values()],
        "annotations": [
            {**row, "id": number, "iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3]}
            for number, row in enumerate(columns(truth.boxes), start=1)
        ],
    }
    real.createIndex()
    scored = zip(columns(detections), detections["score"].tolist(), strict=True)
    run = COCOeval(real, real.loadRes([{**row, "score": s} for row, s in scored]), kind)
    run.evaluate()
    run.accumulate()
    run.summarize()
    chosen = (0, 1, 2, 3, 4, 5, 8)
    return dict(zip(METRICS, (float(run.stats[place]) for place in chosen), strict=True))
