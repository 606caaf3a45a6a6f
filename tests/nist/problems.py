"""NIST's Statistical Reference Datasets for nonlinear regression: 27 fits with certified parameters, two starts each.

y = model(x; b) + e. The values are those of the files of https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml, in
which parameters and the sum of squares have 11 digits; data.json has x (one or two columns) and y.
"""

import json
import math
import pathlib
from typing import NamedTuple

import numpy as np

DATA = {
    name: ([np.array(column, dtype=np.float64) for column in data["x"]], np.array(data["y"], dtype=np.float64))
    for name, data in json.loads((pathlib.Path(__file__).parent / "data.json").read_text()).items()
}


class Certified(NamedTuple):
    """One problem: residuals (b, x, y) or, of Nelson, (b, x1, x2, y)."""

    residual: object
    level: str  # of difficulty, as NIST has it
    starts: tuple
    b: tuple
    square_sum: float


def misra1a(b, x, y):
    return y - b[0] * (1.0 - np.exp(-b[1] * x))


def chwirut(b, x, y):
    return y - np.exp(-b[0] * x) / (b[1] + b[2] * x)


def lanczos(b, x, y):
    return y - (b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x))


def gauss(b, x, y):
    first, second = (x - b[3]) / b[4], (x - b[6]) / b[7]
    return y - (b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-(first**2)) + b[5] * np.exp(-(second**2)))


def danwood(b, x, y):
    return y - b[0] * x ** b[1]


def misra1b(b, x, y):
    return y - b[0] * (1.0 - (1.0 + b[1] * x / 2.0) ** -2.0)


def kirby2(b, x, y):
    return y - (b[0] + b[1] * x + b[2] * x**2) / (1.0 + b[3] * x + b[4] * x**2)


def cubics(b, x, y):
    return y - (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1.0 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def nelson(b, x1, x2, y):
    return np.log(y) - (b[0] - b[1] * x1 * np.exp(-b[2] * x2))


def mgh17(b, x, y):
    return y - (b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]))


def misra1c(b, x, y):
    return y - b[0] * (1.0 - (1.0 + 2.0 * b[1] * x) ** -0.5)


def misra1d(b, x, y):
    return y - b[0] * b[1] * x / (1.0 + b[1] * x)


def roszman1(b, x, y):
    return y - (b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / math.pi)


def enso(b, x, y):
    t = 2.0 * math.pi * x
    year = b[1] * np.cos(t / 12.0) + b[2] * np.sin(t / 12.0)
    return y - (
        b[0]
        + year
        + b[4] * np.cos(t / b[3])
        + b[5] * np.sin(t / b[3])
        + b[7] * np.cos(t / b[6])
        + b[8] * np.sin(t / b[6])
    )


def mgh09(b, x, y):
    return y - b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3])


def rat42(b, x, y):
    return y - b[0] / (1.0 + np.exp(b[1] - b[2] * x))


def mgh10(b, x, y):
    return y - b[0] * np.exp(b[1] / (x + b[2]))


def eckerle4(b, x, y):
    return y - (b[0] / b[1]) * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2)


def rat43(b, x, y):
    return y - b[0] / (1.0 + np.exp(b[1] - b[2] * x)) ** (1.0 / b[3])


def bennett5(b, x, y):
    return y - b[0] * (b[1] + x) ** (-1.0 / b[2])


LANCZOS_STARTS = ((1.2, 0.3, 5.6, 5.5, 6.5, 7.6), (0.5, 0.7, 3.6, 4.2, 4.0, 6.3))
# fmt: off
PROBLEMS = {
    "Misra1a": Certified(misra1a, "lower", ((500.0, 0.0001), (250.0, 0.0005)),
        (2.3894212918e2, 5.5015643181e-4), 1.2455138894e-1),
    "Chwirut2": Certified(chwirut, "lower", ((0.1, 0.01, 0.02), (0.15, 0.008, 0.010)),
        (1.6657666537e-1, 5.1653291286e-3, 1.2150007096e-2), 5.1304802941e2),
    "Chwirut1": Certified(chwirut, "lower", ((0.1, 0.01, 0.02), (0.15, 0.008, 0.010)),
        (1.9027818370e-1, 6.1314004477e-3, 1.0530908399e-2), 2.3844771393e3),
    "Lanczos3": Certified(lanczos, "lower", LANCZOS_STARTS,
        (8.6816414977e-2, 9.5498101505e-1, 8.4400777463e-1, 2.9515951832, 1.5825685901, 4.9863565084),
        1.6117193594e-8),
    "Gauss1": Certified(gauss, "lower",
        ((97.0, 0.009, 100.0, 65.0, 20.0, 70.0, 178.0, 16.5), (94.0, 0.0105, 99.0, 63.0, 25.0, 71.0, 180.0, 20.0)),
        (9.8778210871e1, 1.0497276517e-2, 1.0048990633e2, 6.7481111276e1, 2.3129773360e1, 7.1994503004e1,
         1.7899805021e2, 1.8389389025e1), 1.3158222432e3),
    "Gauss2": Certified(gauss, "lower",
        ((96.0, 0.009, 103.0, 106.0, 18.0, 72.0, 151.0, 18.0), (98.0, 0.0105, 103.0, 105.0, 20.0, 73.0, 150.0, 20.0)),
        (9.9018328406e1, 1.0994945399e-2, 1.0188022528e2, 1.0703095519e2, 2.3578584029e1, 7.2045589471e1,
         1.5327010194e2, 1.9525972636e1), 1.2475282092e3),
    "DanWood": Certified(danwood, "lower", ((1.0, 5.0), (0.7, 4.0)),
        (7.6886226176e-1, 3.8604055871), 4.3173084083e-3),
    "Misra1b": Certified(misra1b, "lower", ((500.0, 0.0001), (300.0, 0.0002)),
        (3.3799746163e2, 3.9039091287e-4), 7.5464681533e-2),
    "Kirby2": Certified(kirby2, "average",
        ((2.0, -0.1, 0.003, -0.001, 0.00001), (1.5, -0.15, 0.0025, -0.0015, 0.00002)),
        (1.6745063063, -1.3927397867e-1, 2.5961181191e-3, -1.7241811870e-3, 2.1664802578e-5), 3.9050739624),
    "Hahn1": Certified(cubics, "average",
        ((10.0, -1.0, 0.05, -0.00001, -0.05, 0.001, -0.000001), (1.0, -0.1, 0.005, -0.000001, -0.005, 0.0001, -1e-7)),
        (1.0776351733, -1.2269296921e-1, 4.0863750610e-3, -1.4262662514e-6, -5.7609940901e-3, 2.4053735503e-4,
         -1.2314450199e-7), 1.5324382854),
    "Nelson": Certified(nelson, "average", ((2.0, 0.0001, -0.01), (2.5, 0.000000005, -0.05)),
        (2.5906836021, 5.6177717026e-9, -5.7701013174e-2), 3.7976833176),
    "MGH17": Certified(mgh17, "average", ((50.0, 150.0, -100.0, 1.0, 2.0), (0.5, 1.5, -1.0, 0.01, 0.02)),
        (3.7541005211e-1, 1.9358469127, -1.4646871366, 1.2867534640e-2, 2.2122699662e-2), 5.4648946975e-5),
    "Lanczos1": Certified(lanczos, "average", LANCZOS_STARTS,
        (9.5100000027e-2, 1.0000000001, 8.6070000013e-1, 3.0000000002, 1.5575999998, 5.0000000001), 1.4307867721e-25),
    "Lanczos2": Certified(lanczos, "average", LANCZOS_STARTS,
        (9.6251029939e-2, 1.0057332849, 8.6424689056e-1, 3.0078283915, 1.5529016879, 5.0028798100), 2.2299428125e-11),
    "Gauss3": Certified(gauss, "average",
        ((94.9, 0.009, 90.1, 113.0, 20.0, 73.8, 140.0, 20.0), (96.0, 0.0096, 80.0, 110.0, 25.0, 74.0, 139.0, 25.0)),
        (9.8940368970e1, 1.0945879335e-2, 1.0069553078e2, 1.1163619459e2, 2.3300500029e1, 7.3705031418e1,
         1.4776164251e2, 1.9668221230e1), 1.2444846360e3),
    "Misra1c": Certified(misra1c, "average", ((500.0, 0.0001), (600.0, 0.0002)),
        (6.3642725809e2, 2.0813627256e-4), 4.0966836971e-2),
    "Misra1d": Certified(misra1d, "average", ((500.0, 0.0001), (450.0, 0.0003)),
        (4.3736970754e2, 3.0227324449e-4), 5.6419295283e-2),
    "Roszman1": Certified(roszman1, "average", ((0.1, -0.00001, 1000.0, -100.0), (0.2, -0.000005, 1200.0, -150.0)),
        (2.0196866396e-1, -6.1953516256e-6, 1.2044556708e3, -1.8134269537e2), 4.9484847331e-4),
    "ENSO": Certified(enso, "average",
        ((11.0, 3.0, 0.5, 40.0, -0.7, -1.3, 25.0, -0.3, 1.4), (10.0, 3.0, 0.5, 44.0, -1.5, 0.5, 26.0, -0.1, 1.5)),
        (1.0510749193e1, 3.0762128085, 5.3280138227e-1, 4.4311088700e1, -1.6231428586, 5.2554493756e-1,
         2.6887614440e1, 2.1232288488e-1, 1.4966870418), 7.8853978668e2),
    "MGH09": Certified(mgh09, "higher", ((25.0, 39.0, 41.5, 39.0), (0.25, 0.39, 0.415, 0.39)),
        (1.9280693458e-1, 1.9128232873e-1, 1.2305650693e-1, 1.3606233068e-1), 3.0750560385e-4),
    "Thurber": Certified(cubics, "higher",
        ((1000.0, 1000.0, 400.0, 40.0, 0.7, 0.3, 0.03), (1300.0, 1500.0, 500.0, 75.0, 1.0, 0.4, 0.05)),
        (1.2881396800e3, 1.4910792535e3, 5.8323836877e2, 7.5416644291e1, 9.6629502864e-1, 3.9797285797e-1,
         4.9727297349e-2), 5.6427082397e3),
    "BoxBOD": Certified(misra1a, "higher", ((1.0, 1.0), (100.0, 0.75)),
        (2.1380940889e2, 5.4723748542e-1), 1.1680088766e3),
    "Rat42": Certified(rat42, "higher", ((100.0, 1.0, 0.1), (75.0, 2.5, 0.07)),
        (7.2462237576e1, 2.6180768402, 6.7359200066e-2), 8.0565229338),
    "MGH10": Certified(mgh10, "higher", ((2.0, 400000.0, 25000.0), (0.02, 4000.0, 250.0)),
        (5.6096364710e-3, 6.1813463463e3, 3.4522363462e2), 8.7945855171e1),
    "Eckerle4": Certified(eckerle4, "higher", ((1.0, 10.0, 500.0), (1.5, 5.0, 450.0)),
        (1.5543827178, 4.0888321754, 4.5154121844e2), 1.4635887487e-3),
    "Rat43": Certified(rat43, "higher", ((100.0, 10.0, 1.0, 1.0), (700.0, 5.0, 0.75, 1.3)),
        (6.9964151270e2, 5.2771253025, 7.5962938329e-1, 1.2792483859), 8.7864049080e3),
    "Bennett5": Certified(bennett5, "higher", ((-2000.0, 50.0, 0.8), (-1500.0, 45.0, 0.85)),
        (-2.5235058043e3, 4.6736564644e1, 9.3218483193e-1), 5.2404744073e-4),
}
# fmt: on
