package dev.nightjar.examples;

import dev.nightjar.study.Observation.Hyperparameters;
import java.util.Arrays;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** What the relative regressions are measured from. */
final class BaselineOptions {
    @Option(names = "--baseline", paramLabel = "RATE,ROWS,EPOCHS", converter = HyperparametersConverter.class,
            defaultValue = "1e-5,32,3",
            description = "Learning rate, batch size and epochs that the relative regressions are measured from; one "
                    + "of the configurations that were run (default: the paper's, ${DEFAULT-VALUE}).")
    private Hyperparameters baseline;

    Hyperparameters baseline() {
        return baseline;
    }

    static final class HyperparametersConverter implements ITypeConverter<Hyperparameters> {
        @Override
        public Hyperparameters convert(String value) {
            try {
                double[] numbers = Arrays.stream(value.split(",", -1)).mapToDouble(Double::parseDouble).toArray();
                if (numbers.length == 3) {
                    return new Hyperparameters(numbers[0], numbers[1], numbers[2]);
                }
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException("'" + value + "' is not three positive numbers: " + e.getMessage());
            }
            throw new TypeConversionException("'" + value + "' is not three positive numbers with commas between");
        }
    }
}
