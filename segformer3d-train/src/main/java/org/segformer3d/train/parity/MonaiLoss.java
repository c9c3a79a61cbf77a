package org.segformer3d.train.parity;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;

/** Losses by the names that recordings have for them. */
final class MonaiLoss {
    private static final Pattern CONSTRUCTOR = Pattern.compile("(?:MONAI |monai\\.losses\\.)?(\\w+)\\((.*)\\)");

    private MonaiLoss() {}

    /** Returns the loss of a name such as {@code dice} or {@code diceCE_nobg_batch_squared}; empty where it is unknown. */
    static Optional<LossSpec> named(String name, Activation activation) {
        List<String> parts = Arrays.asList(name.split("_"));
        Optional<Kind> kind = Optional.ofNullable(
                switch (parts.get(0)) {
                    case "dice" -> Kind.DICE;
                    case "diceCE" -> Kind.DICE_CROSS_ENTROPY;
                    case "crossentropy" -> Kind.CROSS_ENTROPY;
                    case "binarycrossentropy" -> Kind.BINARY_CROSS_ENTROPY;
                    case "diceFocal" -> Kind.DICE_FOCAL;
                    case "generalizedDice" -> Kind.GENERALIZED_DICE;
                    default -> null;
                });
        List<String> variants = parts.subList(1, parts.size());
        if (kind.isEmpty() || !List.of("nobg", "batch", "squared").containsAll(variants)) {
            return Optional.empty();
        }
        LossSpec loss =
                LossSpec.of(kind.get(), activation).with(variants.contains("squared"), variants.contains("batch"));
        return Optional.of(variants.contains("nobg") ? loss.withoutBackground() : loss);
    }

    /** Returns the loss that a constructor such as {@code MONAI DiceLoss(sigmoid=True)} makes; empty where it isn't one of ours. */
    static Optional<LossSpec> constructed(String text) {
        Matcher constructor = CONSTRUCTOR.matcher(text.strip());
        if (!constructor.matches()) {
            return Optional.empty();
        }
        StringBuilder name = new StringBuilder(
                switch (constructor.group(1)) {
                    case "DiceLoss" -> "dice";
                    case "DiceCELoss" -> "diceCE";
                    case "DiceFocalLoss" -> "diceFocal";
                    case "GeneralizedDiceLoss" -> "generalizedDice";
                    case "CrossEntropyLoss" -> "crossentropy";
                    case "BCEWithLogitsLoss" -> "binarycrossentropy";
                    default -> "unknown";
                });
        // Without one of both, Dice terms take the logits for probabilities.
        Activation activation = null;
        for (String argument : constructor.group(2).split(",")) {
            switch (argument.replace(" ", "")) {
                case "sigmoid=True" -> activation = Activation.SIGMOID;
                case "softmax=True" -> activation = Activation.SOFTMAX;
                case "",
                        "sigmoid=False",
                        "softmax=False",
                        "to_onehot_y=True",
                        "to_onehot_y=False",
                        "include_background=True",
                        "squared_pred=False",
                        "batch=False" -> {
                    // nothing that would matter
                }
                case "include_background=False" -> name.append("_nobg");
                case "squared_pred=True" -> name.append("_squared");
                case "batch=True" -> name.append("_batch");
                default -> name.append("_unknown");
            }
        }
        if (activation == null && !name.toString().endsWith("crossentropy")) {
            return Optional.empty();
        }
        return named(name.toString(), activation == null ? Activation.SIGMOID : activation);
    }
}
