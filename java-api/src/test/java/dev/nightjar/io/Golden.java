package dev.nightjar.io;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;

/** The tiny model that PyTorch wrote, and folders made from it. */
final class Golden {
    private Golden() {
    }

    static Path file(String name) {
        try {
            return Path.of(Golden.class.getResource("/golden/tiny/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static Path folder() {
        return file("config.json").getParent();
    }

    static String config() throws IOException {
        return Files.readString(file("config.json"));
    }

    /** All the tensors of a source, ready to be written again. */
    static List<NamedTensor> tensors(WeightSource weights) {
        return tensors(weights, UnaryOperator.identity());
    }

    static List<NamedTensor> tensors(WeightSource weights, UnaryOperator<String> rename) {
        return weights.names().stream().map(name -> new NamedTensor(rename.apply(name), weights.info(name).shape(),
                MemorySegment.ofArray(weights.read(name)))).toList();
    }
}
