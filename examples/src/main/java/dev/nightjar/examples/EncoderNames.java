package dev.nightjar.examples;

import dev.nightjar.PretrainedEncoder;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What the command line calls the encoders from Maven Central. */
final class EncoderNames implements ITypeConverter<PretrainedEncoder>, Iterable<String> {

    static String name(PretrainedEncoder encoder) {
        return switch (encoder) {
            case MINILM -> "minilm";
            case BERT_BASE_UNCASED -> "bert-base";
        };
    }

    static List<String> all() {
        return Arrays.stream(PretrainedEncoder.values()).map(EncoderNames::name).toList();
    }

    @Override
    public PretrainedEncoder convert(String value) {
        return Arrays.stream(PretrainedEncoder.values()).filter(encoder -> name(encoder).equals(value)).findFirst()
                .orElseThrow(() -> new TypeConversionException("'" + value + "' is not one of " + all()));
    }

    @Override
    public Iterator<String> iterator() {
        return all().iterator();
    }
}
