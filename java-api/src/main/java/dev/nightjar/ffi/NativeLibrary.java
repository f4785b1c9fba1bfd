package dev.nightjar.ffi;

import dev.nightjar.UnavailableException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Locale;

/**
 * A native library, loaded for the life of the process: one that came as a resource of a jar, or one that the machine
 * has.
 *
 * <p>Where a resource is missing the environment lacks something and callers may fall back ({@link #isPackaged}); where
 * it is there but cannot be loaded, packaging is broken and {@link #load} throws. Thread-safe.
 */
public final class NativeLibrary {
    private final String name;
    private final SymbolLookup symbols;

    private NativeLibrary(String name, SymbolLookup symbols) {
        this.name = name;
        this.symbols = symbols;
    }

    /** The running machine as resources name it, such as {@code linux-x86_64} or {@code linux-aarch64}. */
    public static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch");
        return (os.startsWith("mac") ? "macosx" : os.startsWith("windows") ? "windows" : os) + "-"
                + (arch.equals("amd64") ? "x86_64" : arch);
    }

    /** Whether the class path has {@code folder/file}. */
    public static boolean isPackaged(String folder, String file) {
        return NativeLibrary.class.getClassLoader().getResource(folder + "/" + file) != null;
    }

    /**
     * Loads {@code folder/file}, after putting it and its companions into one directory.
     *
     * @param companions further files of the folder that the library needs beside it
     * @throws UnavailableException if a file is missing or cannot be extracted or loaded; the cause is kept
     */
    public static NativeLibrary load(String folder, String file, String... companions) {
        String resource = folder + "/" + file;
        try (ExtractedResources files = ExtractedResources.of(NativeLibrary.class.getClassLoader(),
                ExtractedResources.userCache(), folder, file, companions)) {
            return open(resource, files.directory().resolve(file));
        } catch (IOException e) {
            throw new UnavailableException("native library " + resource + " cannot be extracted: " + e.getMessage(), e);
        }
    }

    /**
     * Loads a library of the machine: the file that a system property or else an environment variable names, and
     * nothing else if one of them does; without either the first of {@code sonames} that the dynamic linker finds.
     *
     * @param variable of the environment
     * @throws UnavailableException if there is none, naming everything that was tried; the causes are kept
     */
    public static NativeLibrary find(String property, String variable, String... sonames) {
        String named = System.getProperty(property, System.getenv(variable));
        String[] candidates = named != null ? new String[]{named} : sonames;
        UnavailableException none = new UnavailableException("native library " + String.join(", ", candidates)
                + " cannot be loaded (looked " + (named != null ? "there because of " : "up by name; not set: ")
                + "system property " + property + " or environment variable " + variable + ")");
        for (String candidate : candidates) {
            try {
                return new NativeLibrary(candidate, SymbolLookup.libraryLookup(candidate, Arena.global()));
            } catch (IllegalArgumentException | IllegalCallerException e) {
                none.addSuppressed(e);
            }
        }
        throw none;
    }

    private static NativeLibrary open(String name, Path path) {
        try {
            return new NativeLibrary(name, SymbolLookup.libraryLookup(path, Arena.global()));
        } catch (IllegalArgumentException | IllegalCallerException e) {
            throw new UnavailableException("native library " + name + " cannot be loaded from " + path + ": "
                    + e.getMessage(), e);
        }
    }

    /**
     * A handle that calls one of the library's functions.
     *
     * @throws UnavailableException if the library does not have it
     */
    public MethodHandle downcall(String symbol, FunctionDescriptor descriptor, Linker.Option... options) {
        return Linker.nativeLinker().downcallHandle(address(symbol), descriptor, options);
    }

    /** Whether the library has a function. */
    public boolean has(String symbol) {
        return symbols.find(symbol).isPresent();
    }

    /**
     * Where one of the library's functions is.
     *
     * @throws UnavailableException if the library does not have it
     */
    public MemorySegment address(String symbol) {
        return symbols.find(symbol)
                .orElseThrow(() -> new UnavailableException("native library " + name + " has no symbol " + symbol));
    }

    /** The file or soname it was loaded by. */
    public String name() {
        return name;
    }
}
