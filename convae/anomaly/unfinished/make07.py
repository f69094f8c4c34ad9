import sys
import nbformat as nbf
C=[]
def md(s): C.append(nbf.v4.new_markdown_cell(s.strip("\n")))
def code(s,tags=None):
    c=nbf.v4.new_code_cell(s.strip("\n"))
    if tags: c.metadata["tags"]=tags
    C.append(c)
md("""
# 07 · Which images are anomalous, and where?

The paper's title promises **anomaly detection**: learn from normal images alone, compare input and output, and what comes out
different is anomalous. It gives no number for that. How well does it work, what makes it better, and how is it used on images
of one's own?

Figures: one digit normal ([fig_one_class](../figures/fig_one_class.png)), local defects
([fig_defects](../figures/fig_defects.png)), their repair ([fig_repair](../figures/fig_repair.png)), false alarms
([fig_false_alarms](../figures/fig_false_alarms.png)). The tables are read from committed results,
[figures/anomaly.json](../figures/anomaly.json); `convae sweep one-class one-class-rest false-alarms defects textures` makes them again, in
hours. The examples are computed here.
""")
code("""
normal_images: str = None  # absolute path of a folder of normal images to learn from (minutes); None: the example, learnt already
images: str = None  # absolute path of a folder of images to score, if normal_images is given
out: str = None  # absolute path of a folder for the model and the report; None: they are not kept
false_alarms: float = 0.01  # share of normal images that may be called anomalous
view: str = "auto"  # of images to learn from: auto, whole (resized to 28 × 28 pixels) or tiles (of that size)
seed: int = 0  # of learning from normal_images, and of the places of the defects shown
defect_level: int = 3  # severity of the defects shown, 1 to 5
""",["parameters"])
code("""
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.stats import gmean, spearmanr

from convae import findings, load_mnist, load_pretrained
from convae.anomaly import examples, folders
from convae.anomaly.conformal import expected_rate
from convae.anomaly.defects import KINDS, LEVELS, make_defects
from convae.anomaly.detector import averaged
from convae.anomaly.report import overlay
from convae.evaluation.forward import reconstruct
from convae.evaluation.statistics import Estimate
from convae.notebook import Notebook, show, show_table
from convae.plots.anomaly import alarm_rates, by_class, inspections, ranking, severities, trade_off
from convae.plots.images import Grid, grids

notebook = Notebook("07_anomaly_detection", globals())  # refuses what it cannot take
if bool(normal_images) != bool(images):
    raise ValueError("normal_images and images must both be given, or neither")
results = notebook.results(findings.ANOMALY)
names, baselines = findings.SCORES, findings.BASELINES
""")
md("""
## One digit is normal

The standard protocol: learn from one digit of the training images, score all 10,000 unseen images, and measure the area under
the ROC curve: how often an anomalous image scores higher than a normal one. Each digit takes its turn as the normal
one. **One detector for all digits**: its form and its few constants were chosen on Fashion-MNIST's training images and on
digits of two other sources. No MNIST label or test image took part, but results of an earlier form on some of MNIST's digits
were known when its training was made longer: MNIST's figures may be slightly too good
([how it was chosen](../convae/anomaly/README.md#the-detector)).

All of these are scores of the paper's VAE, with 16 latent variables:

- **plain error**: the paper's score, the squared difference of input and output;
- **reconstruction probability** (An and Cho 2015, here with a fixed variance): the same for outputs of 10 draws of z, averaged;
  **negative ELBO**: the plain error plus the KL term;
- **latent distance**: how far μ lies from the normal ones (Mahalanobis);
- **difference**: input minus output with its sign, averaged over 3 × 3 pixels, as a pattern; its distance from the (regularised)
  **Gaussian** of normal patterns, or from the five **nearest**;
- **maps**: the encoder's maps of layer 3, whitened, and their distance from the five nearest normal ones;
- **both**: difference and maps as one point, and its distance from the five nearest normal ones; *untrained*, with the network as
  it is before training;
- **largest difference**: the largest anywhere in the image, of the difference averaged over 3 × 3 pixels;
- **detector**: both or the largest difference, whichever is more unusual. This is what `convae detect` uses; the second is for
  small defects (below), and does not help here.

Diamonds are published figures. *Averaged*: on pixels averaged over 3 × 3.
""")
code("""
mnist, published = results["one-class"]["mnist"], results["published"]["one_class"]
rows = [
    (names[key], "baseline" if key in baselines else "ours", *findings.per_cent(score))
    for key, score in mnist.items()
]
rows += [(of["method"], "published", *[of["mean"]] * 3) for of in published]
figure = ranking(rows)
notebook.publish(
    "fig_one_class",
    figure,
    "Ways to score an image by the mean area under the ROC curve over MNIST's ten digits, each normal in turn: the paper's VAE, "
    "baselines without a network, published figures",
    {name: mean for name, _, mean, *_ in rows},
)
show(figure)
""")
md("""
By normal digit, in per cent, means over five seeds; behind the mean, in brackets, Student's 95 % interval over the seeds, which
says what another training would change, not what other test images would. Classical baselines have no seed, and of all
seeds together there is one.
""")
code("""
show_table(
    ("score", *range(10), "mean"),
    [
        (
            names[key],
            *(f"{100 * area:.1f}" for area in mnist[key]["by_class"]),
            f"**{findings.area(mnist[key])}**",
        )
        for key in names
        if key in mnist
    ],
)
""")
md("""
Published figures. Some authors report the best epoch on the test images; ours are always at the end of training. *Read*: in
the paper or in the authors' logs; *quoted*: in another paper only; *unchecked*: in no place that we could read.
""")
code("""
show_table(
    ("published", *range(10), "mean", "from", "checked"),
    [
        (of["method"], *of.get("by_class", ["–"] * 10), f"**{of['mean']:.1f}**", of["source"], of["checked"])
        for of in published
    ],
)
""")
code("""
best_baseline = findings.best_baseline(mnist)
show(
    by_class(
        {
            **{names[key]: [100 * area for area in mnist[key]["by_class"]] for key in ("squared_error", best_baseline)},
            "OCGAN (published)": next(of["by_class"] for of in published if of["method"] == "OCGAN"),
            names["detector"]: [100 * area for area in mnist["detector"]["by_class"]],
        },
        range(10),
        "by normal digit",
    )
)
""")
md("""
## One digit is the anomaly

The other standard protocol: nine digits are normal, one was never seen. In per cent, by the digit that is the anomaly; means over two
seeds, with their range in brackets (one seed with 2 and 32 latent variables). Baselines learn from 10,000 of the about 54,000 normal
images.
""")
code("""
rest = results["one-class-rest"]
wanted = ("squared_error", "negative_elbo", "latent_distance", "difference_neighbours", "maps_neighbours", "detector", "combined")
table = [(f"{names[key]}, {d}-D", rest[d][key]) for d in ("2", "32") for key in ("squared_error", "negative_elbo")]
table += [(names[key], rest["16"][key]) for key in (*wanted, *baselines)]
show_table(
    ("anomalous digit", *range(10), "mean"),
    [
        (name, *(f"{100 * area:.0f}" for area in score["by_class"]), f"**{findings.area(score)}**")
        for name, score in table
    ]
    + [
        (of["method"] + " (published)", *of["by_class"], f"**{of['mean']:.1f}**")
        for of in results["published"]["rest"]
    ],
)
""")
md("""
The published rows are from Tonnaer's thesis (Table 3.3), which tests with about 6,000 more images of the anomalous digit. Does it
depend on how simple the anomalous shape is? A 1 has little ink, of which little can be wrong. Over the ten digits, the
rank correlation of a digit's mean ink with the area under the ROC curve when it is the anomaly:
""")
code("""
test_images, test_labels = load_mnist(train=False)
ink = [test_images[test_labels == digit].mean().item() for digit in range(10)]
follows_ink = {key: spearmanr(ink, rest["16"][key]["by_class"]) for key in wanted}
show_table(
    ("score", "rank correlation with ink", "p"),
    [(names[key], f"{found.statistic:.2f}", f"{found.pvalue:.3f}") for key, found in follows_ink.items()],
)
""")
md("""
## Local defects

What Fig. 6 is about: a stroke that breaks off, ink where none belongs. Seven kinds of defects, in five levels of severity, are put on
unseen digits; which pixels they change is known. Below, from top to bottom: scratch, gap, blot, protrusion, thickening, salt,
shifted stroke, on the first unseen image of each digit, with the shipped 64-D VAE. On the right, blue is ink that its output adds, red
ink that it removes.
""")
code("""
vae = load_pretrained("conv_vae_64d")
clean = torch.cat([test_images[test_labels == digit][:1] for digit in range(10)])
damaged = torch.cat([make_defects(clean, kind, defect_level, seed)[0] for kind in KINDS])
output = reconstruct(vae, damaged)
change = averaged(output - damaged).clamp(-1, 1)
panels = [
    Grid("damaged", damaged),
    Grid("the VAE's output", output),
    Grid("what it changes, averaged over 3 × 3", change, signed=True),
]
show(grids(panels))
""")
md("""
Are they found, and in the right place? By severity, for 64-D VAEs of all ten digits (three seeds), on 500 unseen digits: the **plain
error** against the **detector**, whose map is the difference in units of what is usual at each pixel.

- **image**: area under the ROC curve, damaged images against the same undamaged;
- **pixel**: the same for damaged and sound pixels; **precision**: average precision over pixels;
- **overlap**: per-region overlap (PRO) up to 30 % false pixels;
- **sign**: the share of damaged pixels where the sign tells rightly whether ink is missing or too much.
""")
code("""
defects = results["defects"]["families"]
measures = {
    "image": lambda of, score: of["image_auroc"]["combined" if score == "detector" else score],
    "pixel": lambda of, score: of[score]["pixel_auroc"],
    "precision": lambda of, score: of[score]["pixel_precision"],
    "overlap": lambda of, score: of[score]["region_overlap"],
    "sign": lambda of, score: of[score]["right_sign"],
}
located = defects["vae"]["64"]["defects"]
curves = {
    measured: {
        kind: {
            title: [measure(located[f"{kind} {level}"], score) for level in LEVELS]
            for score, title in (("squared_error", "plain error"), ("detector", "detector"))
        }
        for kind in KINDS
    }
    for measured, measure in measures.items()
}
figure = severities(curves, LEVELS)
notebook.publish(
    "fig_defects",
    figure,
    "How well seven kinds of local defects on unseen digits are found and located, by severity: plain error and detector",
    curves,
)
show(figure)
""")
md("""
## Repair, and what it costs

Sections 4.3 and 4.4 of the paper describe a trade-off in words: many latent variables keep the digit as it is, few redraw it. As
curves, over all kinds and levels of defects, means over one to three seeds:

- **repair**: the output's squared error to the *undamaged* original, over that of the damaged input (geometric mean): below 1,
  the output is nearer to the truth than the input was;
- **error on clean digits**: what an undamaged digit loses;
- **image**: the area under the ROC curve by the plain error.
""")
code("""
titles = {
    "vae": "VAE, squared error",
    "vae_cross_entropy": "VAE, cross-entropy",
    "ae": "AE",
    "dense_vae": "fully connected VAE",
    "pca": "PCA",
}
without = results["defects"]["without_a_network"]


def over_dimensions(value):
    return {family: {int(d): value(of) for d, of in dimensions.items()} for family, dimensions in defects.items()}


def mean_of(values):
    return float(np.mean(list(values)))


repair = over_dimensions(lambda of: float(gmean([defect["repair"] for defect in of["defects"].values()])))
repair["pca"] = {
    int(name.removeprefix("pca_").removesuffix("d")): float(gmean(list(of.values())))
    for name, of in without.items()
    if name != "median"
}
median_filter = float(gmean(list(without["median"].values())))
clean_error = over_dimensions(lambda of: of["clean_error"]["value"])
found = over_dimensions(
    lambda of: mean_of(defect["image_auroc"]["squared_error"] for defect in of["defects"].values())
)
panels = {
    "repair: error left / error made": repair,
    "error on clean digits": clean_error,
    "image: plain error's area": found,
}
figure = trade_off(
    panels, {"repair: error left / error made": {"no repair": 1.0, "median filter": median_filter}}, titles
)
notebook.publish(
    "fig_repair",
    figure,
    "Repair of local defects, error on clean digits and detection by the plain error, by latent dimension and model",
    {"median_filter": median_filter, **panels},
)
show(figure)
""")
md("""
Which defects are repaired? Error left over error made, by kind at level 3, for the VAE of each dimension:
""")
code("""
show_table(
    ("latent variables", *(kind.replace("_", " ") for kind in KINDS)),
    [
        (d, *(f"{of['defects'][f'{kind} 3']['repair']:.2f}" for kind in KINDS))
        for d, of in defects["vae"].items()
    ]
    + [("median filter 3 × 3", *(f"{without['median'][f'{kind} 3']:.2f}" for kind in KINDS))],
)
""")
md("""
## Is a false-alarm rate kept, and what is found then?

A threshold is set on 1,000 normal training digits that were held out, by a conformal p-value: the share of them that score
as high. It is tried on 1,000 other training digits, and on MNIST's test digits, which other people wrote; one seed a digit. Below, for the
detector, a dot is a digit, the bar their mean, the dashed line the rate asked for.
""")
code("""
alarms = results["false-alarms"]
groups = {"unseen": "normal, training set", "test_normal": "normal, test set"}
shares = {
    rate: {group: of["scores"]["combined"][group]["by_digit"] for group in groups} for rate, of in alarms.items()
}
figure = alarm_rates({float(rate): of for rate, of in shares.items()}, groups)
notebook.publish(
    "fig_false_alarms",
    figure,
    "Share of normal digits called anomalous, by the rate asked for: among held-out training digits, and among test digits",
    shares,
)
show(figure)


def share(rate, score, key):
    found = alarms[rate]["scores"][score][key]
    return f"{Estimate(*(found[name] for name in ('value', 'low', 'high'))):.1%}"


show_table(
    ("asked for", "score", "training set", "as expected", "test set", "other digits found (recall)", "precision"),
    [
        (
            f"{float(rate):.0%}",
            names[score],
            share(rate, score, "unseen"),
            f"{found['as_expected']:.0%}",
            *(share(rate, score, key) for key in ("test_normal", "test_anomalous", "precision")),
        )
        for rate, of in alarms.items()
        for score, found in of["scores"].items()
    ],
)
""")
md("""
In brackets, Student's 95 % intervals over the digits. *As expected*: for how many digits the rate on the 1,000 others lay in the interval
in which, with 1,000 held out, it lies 95 times in 100. Precision is that of MNIST's test set: one normal image to nine others.

And normal digits with a defect? As whole images they lie near to normal ones; the largest difference finds some of them, and was made
part of the detector on sight of such defects on training digits. Found at a false-alarm rate of 1 %, in per cent, at levels 1 to 5; means over
the digits:
""")
code("""
defects_found = {score: of["defects"] for score, of in alarms["0.01"]["scores"].items()}
show_table(
    ("defect", *(names[score] for score in defects_found)),
    [
        (kind.replace("_", " "), *(" · ".join(f"{100 * share:.0f}" for share in of[kind]) for of in defects_found.values()))
        for kind in KINDS
    ],
)
""")
md("""
## Other data

The same detector by the same protocol: one class normal, the mean over the ten classes in per cent, with Student's interval over
five seeds (MNIST, scikit-learn) or the range of two (Fashion-MNIST). Most of scikit-learn's digits and Fashion-MNIST's training images were
part of what the detector was chosen on.
""")
code("""
sets = {"mnist": "MNIST", "digits": "scikit-learn's digits", "fashion": "Fashion-MNIST"}
show_table(
    ("score", *sets.values()),
    [(names[key], *(findings.area(results["one-class"][data][key]) for data in sets)) for key in names if key in mnist]
    + [
        (f"{of['method']} (published)", "", "", f"{of['mean']:.1f}")
        for of in results["published"]["one_class_fashion"]
    ],
)
""")
md("""
Images larger than the network's are cut into tiles, and the largest score of a tile is the image's. Three textures of 168 × 168 pixels,
drawn by a [seeded generator](../convae/anomaly/textures.py): 60 sound ones to learn from, 19 of them held out for the threshold (the
Gaussian sees all 60); 40 with each defect against 40 without; two seeds. For tiles the detector also counts the distance from the
Gaussian of their pixels, which was added on sight of other seeds' results. The area under the ROC curve for images, by three scores; the
share found, and the share of false alarms, at a rate of 5 %; for pixels, by the report's map, the area under the ROC curve and the
per-region overlap.
""")
code("""
show_table(
    (
        "texture",
        "defect",
        "plain error",
        "Gaussian, averaged",
        "`convae detect`",
        "found",
        "false alarms (expected {:.0%} to {:.0%})".format(*expected_rate(19, 0.05, 40)),
        "pixels",
        "overlap",
    ),
    [
        (
            texture,
            defect,
            *(f"{100 * area:.1f}" for area in found["image_auroc"].values()),
            f"{found['found']:.0%}",
            f"{of['false_alarms']:.0%}",
            f"{100 * found['pixel_auroc']:.1f}",
            f"{100 * found['region_overlap']:.1f}",
        )
        for texture, of in results["textures"].items()
        for defect, found in of["defects"].items()
    ],
)
""")
md("""
## Images of one's own

From files, as the commands do it: `convae fit NORMAL_DIR --model M`, then `convae detect IMAGES_DIR --model M --out R`. Without
`normal_images` and `images`, an example, chosen to be an easy one: MNIST's zeros as rings that a machine makes. A model fitted to
1,000 of them scores unseen ones, some with a defect of the severest level, and other digits.
""")
code("""
temporary = tempfile.TemporaryDirectory()
folder = Path(out or temporary.name)
if normal_images:
    model = folder / "model.safetensors"
    folders.fit(
        Path(normal_images), model, false_alarms, progress=False, view=view, seed=seed, threads=os.cpu_count()
    )
else:
    model = examples.MODEL
    images = examples.write_images(Path(temporary.name) / "images")
detection = folders.detect(Path(images), model, folder / "report", false_alarms, progress=False)
print(detection.advice)
""")
code("""
def folder_of(row):
    return str(Path(row["file"]).parent)


called = {}
for row in detection.scores:
    called.setdefault(folder_of(row), []).append(row["anomalous"])
show_table(
    ("folder", "images", "called anomalous"),
    [(name, len(of), f"{np.mean(of):.0%}") for name, of in sorted(called.items())],
)
columns = {}  # of the 60 most unusual images, the first of each folder
for row, found in detection.shown:
    columns.setdefault(folder_of(row), []).append((row, found.image, overlay(found) / 255, found.repaired))
each = max(1, 10 // len(columns))
show(inspections([column for of in columns.values() for column in of[:each]][:10]))
temporary.cleanup()
""")
md("""
## What we found
""")
code("""
def mean_over_kinds(score, measure, level=3):
    return 100 * mean_of(measures[measure](located[f"{kind} {level}"], score) for kind in KINDS)


def compared(ours, other):
    return "more than" if ours.low > other else "less than" if ours.high < other else "not to be told from"


classical = findings.per_cent(mnist[best_baseline]).value
both, whole = (findings.per_cent(mnist[key]) for key in ("detector", "combined"))
best_vae, best_pca = (min(repair[of], key=repair[of].get) for of in ("vae", "pca"))
clean_loss = clean_error["vae"]
one = {key: 100 * rest["16"][key]["by_class"][1] for key in wanted}
other_sets = {key: {score: findings.area(results["one-class"][key][score]) for score in ("squared_error", "combined", "detector")}
              for key in ("digits", "fashion")}
show_table(
    ("question", "answer"),
    [
        (
            "How well does the paper's score tell one digit from all others?",
            f"Area {findings.area(mnist['squared_error'])} %; the best classical baseline, {names[best_baseline]}, "
            f"{classical:.2f} %.",
        ),
        (
            "How well does the detector?",
            f"**{whole:.2f} %**, {compared(whole, classical)} that baseline. Difference and maps alone **{both:.2f} %**, "
            f"{compared(both, findings.per_cent(mnist['squared_error']).value)} the plain error; all seeds together "
            f"{findings.area(mnist['together'])} %; untrained {findings.area(mnist['untrained'])} %.",
        ),
        (
            "And one digit as the anomaly?",
            f"Plain error {findings.area(rest['16']['squared_error'])} %, for 1 {one['squared_error']:.0f} %; detector "
            f"{findings.area(rest['16']['combined'])} %, for 1 {one['combined']:.0f} %.",
        ),
        (
            "Are local defects found?",
            f"At level 3, area for images: plain error {mean_over_kinds('squared_error', 'image'):.0f} %, detector "
            f"{mean_over_kinds('detector', 'image'):.0f} %; for pixels {mean_over_kinds('squared_error', 'pixel'):.0f} % and "
            f"{mean_over_kinds('detector', 'pixel'):.0f} % (64-D VAE of all digits).",
        ),
        (
            "Are they repaired?",
            f"The VAE with {best_vae} latent variables leaves least of the error made, {repair['vae'][best_vae]:.2f} of it; PCA "
            f"{repair['pca'][best_pca]:.2f} (with {best_pca}), a median filter {median_filter:.2f}. A clean digit then loses "
            f"{clean_loss[best_vae]:.1f}, against {clean_loss[2]:.1f} with 2 and {clean_loss[128]:.1f} with 128.",
        ),
        (
            "Is a false-alarm rate kept?",
            f"Asked for 1 %: {share('0.01', 'combined', 'unseen')} of other training digits, {share('0.01', 'combined', 'test_normal')} "
            f"of test digits; {share('0.01', 'combined', 'test_anomalous')} of all other digits are found.",
        ),
        (
            "Other data?",
            "; ".join(
                f"{sets[key]}: detector {of['combined']} %, plain error {of['squared_error']} %" for key, of in other_sets.items()
            )
            + ".",
        ),
    ],
)
""")
nb=nbf.v4.new_notebook(cells=C,metadata={"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"},"language_info":{"name":"python"}})
for i,c in enumerate(nb.cells,1): c["id"]=f"cell-{i:02}"
nb.nbformat_minor=5
nbf.write(nb,sys.argv[1])
