package org.segformer3d.train.tracking;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.segformer3d.data.io.AtomicFiles;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Draws loss and validation Dice over the epochs as a PNG, anew after every epoch. */
public final class CurvePicture implements Tracker {
    private static final Logger LOG = LoggerFactory.getLogger(CurvePicture.class);
    private static final int WIDTH = 900;
    private static final int HEIGHT = 420;

    private final Path file;
    private final String title;
    private boolean broken;

    /**
     * Creates a tracker that draws nothing yet.
     *
     * @param file the PNG
     * @param title what stands above the curves
     */
    public CurvePicture(Path file, String title) {
        this.file = file;
        this.title = title;
    }

    @Override
    public void epoch(List<EpochRecord> history) throws IOException {
        if (broken) {
            return;
        }
        byte[] png;
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
            Graphics2D graphics = image.createGraphics();
            chart(history).paint(graphics, WIDTH, HEIGHT);
            graphics.dispose();
            ImageIO.write(image, "png", bytes);
            png = bytes.toByteArray();
        } catch (RuntimeException | InternalError | LinkageError e) {
            // A machine without fonts or font libraries can't draw; training must not end for that.
            broken = true;
            LOG.warn("{} isn't drawn: Java can't draw text on this machine ({})", file.getFileName(), e.toString());
            return;
        }
        AtomicFiles.write(file, out -> out.write(png));
    }

    private XYChart chart(List<EpochRecord> history) {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("epoch")
                .yAxisTitle("loss, Dice")
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setLegendBorderColor(Color.WHITE);
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setXAxisDecimalPattern("0");
        chart.getStyler().setYAxisDecimalPattern("0.0#");
        Curve loss = new Curve();
        Curve validationLoss = new Curve();
        Map<String, Curve> dice = new LinkedHashMap<>();
        for (EpochRecord record : history) {
            loss.add(record.epoch() + 1, record.loss());
            record.validationLoss().ifPresent(value -> validationLoss.add(record.epoch() + 1, value));
            record.dice().ifPresent(mean -> {
                dice.computeIfAbsent("Dice, mean", name -> new Curve()).add(record.epoch() + 1, mean);
                record.dicePerClass()
                        .forEach((name, value) -> dice.computeIfAbsent("Dice, " + name, n -> new Curve())
                                .add(record.epoch() + 1, value));
            });
        }
        loss.draw(chart, "loss");
        validationLoss.draw(chart, "validation loss");
        dice.forEach((name, curve) -> curve.draw(chart, name));
        return chart;
    }

    private static final class Curve {
        private final List<Integer> x = new ArrayList<>();
        private final List<Double> y = new ArrayList<>();

        void add(int at, double value) {
            if (Double.isFinite(value)) {
                x.add(at);
                y.add(value);
            }
        }

        void draw(XYChart chart, String name) {
            if (!x.isEmpty()) {
                XYSeries series = chart.addSeries(name, x, y);
                // A single point has no line to be seen by.
                series.setMarker(x.size() == 1 ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
                series.setLineWidth(name.equals("loss") || name.equals("Dice, mean") ? 2.5f : 1.2f);
            }
        }
    }
}
