package dev.nightjar.backend;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.cpu.CpuBackend;
import dev.nightjar.backend.cuda.CudaBackend;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.jfr.BackendChoiceEvent;
import dev.nightjar.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** The backends there are, and the choice among them. */
public final class Backends {
    /**
     * One backend by its name.
     *
     * @param automatic whether it may be chosen by itself
     */
    private record Entry(String name, boolean automatic, Supplier<Backend> open) {
    }

    /** Fastest first. The reference is an oracle and never chosen by itself. */
    private static final List<Entry> ENTRIES = List.of(new Entry("cuda", true, CudaBackend::new),
            new Entry("cpu", true, CpuBackend::new), new Entry("reference", false, ReferenceBackend::new));

    private Backends() {
    }

    /**
     * Whether a backend can be used here.
     *
     * @param cause why it cannot be used; null if it can
     * @param types {@link Backend#inferenceTypes}; empty if it cannot be used
     * @param trainingTypes {@link Backend#trainingTypes}; empty if it cannot be used
     * @param details {@link Backend#details}; empty if it cannot be used
     */
    public record Explanation(String name, UnavailableException cause, List<DType> types,
            List<DType> trainingTypes, Map<String, String> details) {
        public boolean available() {
            return cause == null;
        }
    }

    /** Opens a backend for float32; see {@link #open(String, DType)}. */
    public static Backend open(String name) {
        return open(name, DType.F32);
    }

    /**
     * Opens a backend.
     *
     * @param name {@code auto} for the fastest that can be used here, or the name of one, for which nothing else is
     *         ever put
     * @param type in which inference will compute
     * @throws UnavailableException if it cannot be used, or not with {@code type}; with {@code auto}, if none can, every cause being kept
     * @throws IllegalArgumentException if there is no backend of that name
     */
    public static Backend open(String name, DType type) {
        BackendChoiceEvent event = new BackendChoiceEvent();
        event.begin();
        List<UnavailableException> refused = new ArrayList<>();
        Backend backend = name.equals("auto") ? fastest(type, refused) : open(entry(name), type);
        event.requested = name;
        event.chosen = backend.name();
        event.type = type.toString();
        event.refused = messages(refused);
        event.commit();
        return backend;
    }

    private static Entry entry(String name) {
        for (Entry entry : ENTRIES) {
            if (entry.name.equals(name)) {
                return entry;
            }
        }
        throw new IllegalArgumentException(
                "no backend " + name + ", expected auto or one of " + ENTRIES.stream().map(Entry::name).toList());
    }

    private static Backend open(Entry entry, DType type) {
        Backend backend = entry.open.get();
        try {
            backend.requireInferenceType(type);
            return backend;
        } catch (UnavailableException e) {
            backend.close();
            throw e;
        }
    }

    /** The first that can be used; {@code causes} gets why those before it cannot. */
    private static Backend fastest(DType type, List<UnavailableException> causes) {
        for (Entry entry : ENTRIES) {
            if (entry.automatic) {
                try {
                    return open(entry, type);
                } catch (UnavailableException e) {
                    causes.add(e);
                }
            }
        }
        UnavailableException none = new UnavailableException("no backend can be used here: " + messages(causes));
        causes.forEach(none::addSuppressed);
        throw none;
    }

    private static String messages(List<UnavailableException> causes) {
        return causes.stream().map(Throwable::getMessage).collect(Collectors.joining("; "));
    }

    /** Tries every backend and says what came of it, fastest first. */
    public static List<Explanation> explain() {
        List<Explanation> result = new ArrayList<>();
        for (Entry entry : ENTRIES) {
            try (Backend backend = entry.open.get()) {
                result.add(new Explanation(entry.name, null, backend.inferenceTypes(), backend.trainingTypes(),
                        backend.details()));
            } catch (UnavailableException e) {
                result.add(new Explanation(entry.name, e, List.of(), List.of(), Map.of()));
            }
        }
        return result;
    }
}
