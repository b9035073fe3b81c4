"""What an inference writes: the reconstruction, its pictures, its figures, and the debug dump."""

from dataclasses import asdict
from pathlib import Path

from ptycho_engine.artefacts.debug_dump import DebugDump
from ptycho_engine.artefacts.figures import write_canvas_pictures
from ptycho_engine.artefacts.json_file import write_json
from ptycho_engine.artefacts.reconstruction import Reconstruction, write_reconstruction
from ptycho_engine.documents import Canvas, ReconstructionMetrics
from ptycho_engine.inference_job import InferenceJob, Predicted
from ptycho_engine.inference_varpro import SolvedFactors
from ptycho_engine.refinement import Refinement


class InferenceFiles:
    """The results of one inference on disk.

    Parameters
    ----------
    folder
        For the results; ``None`` writes none.
    dump_folder
        For the debug dump; ``None`` writes none.
    """

    def __init__(self, folder: Path | None, dump_folder: Path | None) -> None:
        self.folder = folder
        self.dump_folder = dump_folder
        self._dump = None if dump_folder is None else DebugDump()

    def take(self, predicted: Predicted) -> None:
        """Gather a batch for the debug dump."""
        if self._dump is not None:
            n = predicted.patches.shape[-1]
            self._dump.add(predicted.patches.reshape(-1, n, n), predicted.positions.reshape(-1, 2))

    def write(
        self,
        job: InferenceJob,
        canvas: Canvas,
        network_canvas: Canvas | None,
        metrics: ReconstructionMetrics | None,
        network_metrics: ReconstructionMetrics | None,
        refinement: Refinement | None = None,
        factors: SolvedFactors | None = None,
    ) -> None:
        """Write everything.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        if self._dump is not None and self.dump_folder is not None:
            self._dump.write(self.dump_folder, network_canvas or canvas)
        if self.folder is None:
            return
        result = Reconstruction(
            canvas,
            network_canvas,
            job.level.intensity_scale,
            dataset=job.dataset.name,
            bundle=job.bundle.name,
            refined_probe=None if refinement is None else refinement.probe(),
            pixel_size_m=job.dataset.pixel_size_m,
        )
        write_reconstruction(result, self.folder / "reconstruction.npz")
        write_canvas_pictures(canvas, self.folder)
        figures = {
            "metrics": None if metrics is None else asdict(metrics),
            "network_metrics": None if network_metrics is None else asdict(network_metrics),
            "compared_with": None if metrics is None else "the known object, over the covered area",
            "mode": canvas.mode,
            "n_patches": len(canvas.scan_positions),
            "dropped": canvas.dropped,
            "network_per_physical": canvas.network_per_physical,
            "refinement": None if refinement is None else refinement.report(),
            "varpro": None if factors is None else factors.as_dict(),
        }
        write_json(figures, self.folder / "metrics.json")
