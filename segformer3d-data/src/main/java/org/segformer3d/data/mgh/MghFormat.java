package org.segformer3d.data.mgh;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.ChannelSource;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormat;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;
import org.segformer3d.data.voxel.FastGzip;
import org.segformer3d.data.voxel.VoxelInput;
import org.segformer3d.data.voxel.VoxelWriter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** MGH: {@code .mgz} and, not compressed, {@code .mgh}; big-endian, as the format always is, with frames as channels. */
public final class MghFormat implements VolumeFormat {
    private static final String GZIPPED = ".mgz";
    private static final Logger LOG = LoggerFactory.getLogger(MghFormat.class);

    /** Creates the format, which has no state. */
    public MghFormat() {}

    @Override
    public String name() {
        return "MGH";
    }

    @Override
    public List<String> endings() {
        return List.of(GZIPPED, ".mgh");
    }

    @Override
    public boolean recognises(byte[] start) {
        return MghHeader.recognises(start);
    }

    @Override
    public VolumeHeader readHeader(Path file) throws IOException {
        return MghHeader.read(file).toVolumeHeader(file);
    }

    @Override
    public Volume read(Path file) throws IOException {
        MghHeader header = MghHeader.read(file);
        if (!header.isPlaced()) {
            LOG.warn(
                    "{}: its header says that it has no place of its own; taking 1 mm voxels and the axes left, inferior, anterior, as FreeSurfer does",
                    file);
        }
        boolean gzipped;
        try (VoxelInput in = VoxelInput.open(file)) {
            gzipped = in.isPacked();
        }
        return Volume.of(header.voxels(file, gzipped).read(), header.channels(), header.geometry());
    }

    @Override
    public List<VoxelType> labelTypes() {
        return List.of(VoxelType.UINT8, VoxelType.INT16, VoxelType.INT32);
    }

    @Override
    public void write(Path file, Geometry geometry, int channels, VoxelType type, ChannelSource source)
            throws IOException {
        VoxelWriter voxels = new VoxelWriter(geometry.size(), channels, type, ByteOrder.BIG_ENDIAN, source);
        byte[] header = MghHeader.bytes(geometry, channels, type);
        boolean gzip = file.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(GZIPPED);
        AtomicFiles.write(file, out -> {
            OutputStream target = gzip ? new FastGzip(out) : out;
            target.write(header);
            voxels.writeTo(target);
            if (gzip) {
                ((FastGzip) target).finish();
            }
        });
    }
}
