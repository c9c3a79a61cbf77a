package org.segformer3d.data.dicom;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DicomElementsTests {
    private static final int ROWS = 0x00280010;
    private static final int SERIES = 0x0020000E;
    private static final int POSITION = 0x00200032;
    private static final List<Integer> WANTED = List.of(SERIES, POSITION, ROWS);

    @TempDir
    Path folder;

    /** How a file may be encoded. */
    enum Syntax {
        EXPLICIT("1.2.840.10008.1.2.1"),
        IMPLICIT("1.2.840.10008.1.2"),
        BIG_ENDIAN("1.2.840.10008.1.2.2"),
        DEFLATED("1.2.840.10008.1.2.1.99");

        private final String uid;

        Syntax(String uid) {
            this.uid = uid;
        }
    }

    private static final class Encoder {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();
        private final boolean explicit;
        private final ByteOrder order;

        Encoder(boolean explicit, ByteOrder order) {
            this.explicit = explicit;
            this.order = order;
        }

        Encoder tag(int tag) {
            return number(tag >>> 16, 2).number(tag & 0xffff, 2);
        }

        Encoder number(int value, int size) {
            ByteBuffer buffer = ByteBuffer.allocate(size).order(order);
            out.writeBytes((size == 2 ? buffer.putShort((short) value) : buffer.putInt(value)).array());
            return this;
        }

        Encoder head(int tag, String type, int length) {
            tag(tag);
            if (!explicit) {
                return number(length, 4);
            }
            out.writeBytes(type.getBytes(StandardCharsets.US_ASCII));
            return type.equals("SQ") || type.equals("UN") || type.equals("OB")
                    ? number(0, 2).number(length, 4)
                    : number(length, 2);
        }

        Encoder text(int tag, String type, String text) {
            head(tag, type, text.length());
            out.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
            return this;
        }

        byte[] bytes() {
            return out.toByteArray();
        }
    }

    private static byte[] encoded(Syntax syntax) throws IOException {
        Encoder meta = new Encoder(true, ByteOrder.LITTLE_ENDIAN)
                .head(0x00020001, "OB", 2)
                .number(1, 2)
                .text(0x00020010, "UI", syntax.uid.length() % 2 == 0 ? syntax.uid : syntax.uid + "\0");
        ByteOrder order = syntax == Syntax.BIG_ENDIAN ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
        Encoder data = new Encoder(syntax != Syntax.IMPLICIT, order);
        // a sequence of undefined length whose item holds another and, as a decoy, what is looked for
        data.head(0x00081115, "SQ", -1).tag(0xFFFEE000).number(-1, 4);
        data.head(0x00081199, "SQ", -1).tag(0xFFFEE000).number(-1, 4);
        data.text(SERIES, "UI", "9.9.9.").tag(0xFFFEE00D).number(0, 4);
        data.tag(0xFFFEE0DD).number(0, 4);
        data.text(SERIES, "UI", "8.8.8.").tag(0xFFFEE00D).number(0, 4);
        data.tag(0xFFFEE0DD).number(0, 4);
        // one of defined length
        data.head(0x00082112, "SQ", 12).tag(0xFFFEE000).number(4, 4).number(7, 4);
        // a private one of unknown type, which is implicit inside whatever is around it
        if (syntax != Syntax.BIG_ENDIAN) {
            data.head(0x00091001, "UN", -1).tag(0xFFFEE000).number(-1, 4);
            data.tag(0x00091002).number(4, 4).number(1, 4);
            data.tag(0xFFFEE00D).number(0, 4).tag(0xFFFEE0DD).number(0, 4);
        }
        data.text(SERIES, "UI", "1.2.3\0").text(POSITION, "DS", "-1.5\\2e1\\ 3 ");
        data.head(ROWS, "US", 2).number(40000, 2);
        data.text(0x00280030, "DS", "broken");
        byte[] body = data.bytes();
        if (syntax == Syntax.DEFLATED) {
            ByteArrayOutputStream deflated = new ByteArrayOutputStream();
            try (DeflaterOutputStream out = new DeflaterOutputStream(deflated, new Deflater(9, true))) {
                out.write(body);
            }
            body = deflated.toByteArray();
        }
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes(new byte[128]);
        all.writeBytes("DICM".getBytes(StandardCharsets.US_ASCII));
        all.writeBytes(meta.bytes());
        all.writeBytes(body);
        return all.toByteArray();
    }

    @ParameterizedTest
    @EnumSource
    void elementsAreFoundPastSequencesInEverySyntax(Syntax syntax) throws IOException {
        Path file = Files.write(folder.resolve("a.dcm"), encoded(syntax));
        DicomElements.Found found = DicomElements.read(file, WANTED);
        assertThat(found.text(SERIES)).contains("1.2.3");
        assertThat(found.decimals(POSITION, 3).orElseThrow()).containsExactly(-1.5, 20, 3);
        assertThat(found.decimals(POSITION, 2)).isEmpty();
        assertThat(found.number(ROWS)).contains(40000);
        assertThat(found.text(0x00280030)).isEmpty();
    }

    @Test
    void whatIsCutOffIsNoSliceAndNeverAnotherError() throws IOException {
        for (Syntax syntax : Syntax.values()) {
            byte[] whole = encoded(syntax);
            for (int length = 0; length < whole.length; length++) {
                Path file = Files.write(folder.resolve("cut.dcm"), Arrays.copyOf(whole, length));
                assertThat(DicomSlice.read(file)).isEmpty();
            }
        }
    }

    @Test
    void sequencesWithoutEndAreRefused() throws IOException {
        Encoder data = new Encoder(true, ByteOrder.LITTLE_ENDIAN);
        for (int n = 0; n < 1000; n++) {
            data.head(0x00081115, "SQ", -1).tag(0xFFFEE000).number(-1, 4);
        }
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes(new byte[128]);
        all.writeBytes("DICM".getBytes(StandardCharsets.US_ASCII));
        all.writeBytes(data.bytes());
        Path file = Files.write(folder.resolve("deep.dcm"), all.toByteArray());
        assertThatThrownBy(() -> DicomElements.read(file, WANTED))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("64 deep");
    }
}
