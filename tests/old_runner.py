"""Runs an IR under whichever OpenVINO its interpreter has: `old_runner.py XML IN.npy OUT.npz`.

With `--myriad XML` it compiles for the stick instead and prints what the compiler says. Written
for Python 3.7 to 3.13, as old wheels need old interpreters.
"""
# ruff: noqa: PLC0415

import sys

import numpy as np


def infer(xml, picture):
    """All outputs of the network, by their shape's last dimension."""
    try:
        from openvino import Core
    except ImportError:
        try:
            from openvino.runtime import Core
        except ImportError:
            return infer_2021(xml, picture)
    core = Core()
    names = core.get_property("CPU", "SUPPORTED_PROPERTIES")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    if "INFERENCE_PRECISION_HINT" not in names:
        exact = {"ENFORCE_BF16": "NO"}
    compiled = core.compile_model(core.read_model(xml), "CPU", exact)
    return list(compiled.create_infer_request().infer([picture]).values())


def infer_2021(xml, picture):
    """The same with the API of 2021."""
    from openvino.inference_engine import IECore

    core = IECore()
    network = core.read_network(xml)
    loaded = core.load_network(network, "CPU", {"ENFORCE_BF16": "NO"})
    return list(loaded.infer({next(iter(network.input_info)): picture}).values())


def compile_for_stick(xml):
    """What the MYRIAD plugin says when no stick is there: its compiler runs before it looks."""
    from openvino.inference_engine import IECore

    core = IECore()
    network = core.read_network(xml)
    try:
        core.load_network(network, "MYRIAD", {"VPU_MYRIAD_PLATFORM": "VPU_MYRIAD_2480"})
    except Exception as error:  # noqa: BLE001 - the plugin has no class of its own for it
        return str(error)
    return "loaded"


if __name__ == "__main__":
    if sys.argv[1] == "--myriad":
        print(compile_for_stick(sys.argv[2]))
    else:
        arrays = infer(sys.argv[1], np.load(sys.argv[2]))
        loc, conf = sorted(arrays, key=lambda array: -array.shape[-1])
        np.savez(sys.argv[3], loc=loc, conf=conf)
