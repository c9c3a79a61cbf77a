package org.segformer3d.cli.command;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.segformer3d.cli.console.Table;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dicom.DicomConverter;
import org.segformer3d.data.dicom.DicomSeries;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.eval.result.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Lists the series of a DICOM folder or zip file. */
@Command(name = "dicom", description = "List the series of a DICOM folder or zip file, for predict --series.")
public final class DicomCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "PATH", description = "A folder of DICOM files, a zip file of them, or one of them.")
    private Path source;

    @Option(names = "--json", description = "Print the series as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (!Files.exists(source)) {
            throw new DatasetException(source, "not found, expected a folder, zip file or file of DICOM");
        }
        if (!DicomConverter.isDicom(source)) {
            throw new DatasetException(source, "found no DICOM files, expected a folder, zip file or file of DICOM");
        }
        Path workspace = Files.createTempDirectory("segformer3d-dicom-");
        try {
            Table table = new Table(">series", "modality", "voxels", "spacing in mm", "description");
            List<Map<String, Object>> all = new ArrayList<>();
            for (DicomSeries series : DicomConverter.find(source).convert(source, workspace)) {
                Geometry geometry = NiftiReader.readHeader(series.nifti()).geometry();
                double[] spacing = geometry.spacing();
                table.row(
                        series.name(),
                        series.modality(),
                        geometry.size().toString(),
                        millimetres(spacing[0]) + " × " + millimetres(spacing[1]) + " × " + millimetres(spacing[2]),
                        series.description());
                Map<String, Object> map = new LinkedHashMap<>();
                map.put("series", series.name());
                map.put("uid", series.uid());
                map.put("modality", series.modality());
                map.put("description", series.description());
                map.put(
                        "size",
                        List.of(
                                geometry.size().depth(),
                                geometry.size().height(),
                                geometry.size().width()));
                map.put("spacing_mm", List.of(spacing[0], spacing[1], spacing[2]));
                all.add(map);
            }
            if (json) {
                spec.commandLine().getOut().print(Json.pretty(Map.of("series", all)));
            } else {
                table.lines().forEach(spec.commandLine().getOut()::println);
            }
            return 0;
        } finally {
            AtomicFiles.deleteTree(workspace);
        }
    }

    private static String millimetres(double value) {
        return BigDecimal.valueOf(value)
                .round(new MathContext(4))
                .stripTrailingZeros()
                .toPlainString();
    }
}
