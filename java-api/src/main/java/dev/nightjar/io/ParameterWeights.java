package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.model.Parameters;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashSet;
import java.util.Set;

/** The parameters of a model as a source of weights for another. It owns nothing. */
public final class ParameterWeights implements WeightSource {
    private final String location;
    private final Parameters parameters;

    /** @param location what messages call it */
    public ParameterWeights(String location, Parameters parameters) {
        this.location = location;
        this.parameters = parameters;
    }

    @Override
    public String location() {
        return location;
    }

    @Override
    public Set<String> names() {
        return new LinkedHashSet<>(parameters.layout().names());
    }

    @Override
    public TensorInfo info(String name) {
        if (!parameters.layout().names().contains(name)) {
            throw new FormatException(location, "there is no tensor " + name);
        }
        Entry entry = parameters.layout().entry(name);
        return new TensorInfo(name, parameters.type(), entry.shape());
    }

    @Override
    public void read(String name, MemorySegment destination) {
        WeightSource.requireSize(location, info(name), destination);
        parameters.read(name, destination);
    }

    @Override
    public void close() {
        // The parameters are somebody else's.
    }
}
