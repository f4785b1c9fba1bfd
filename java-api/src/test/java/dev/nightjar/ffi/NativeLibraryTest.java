package dev.nightjar.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.NightjarException;
import dev.nightjar.UnavailableException;
import java.io.FileNotFoundException;
import org.junit.jupiter.api.Test;

class NativeLibraryTest {
    @Test
    void aMissingLibraryIsKnownBeforehandAndRefused() {
        assertThat(NativeLibrary.isPackaged("dev/nightjar/ffi", "libnothing.so")).isFalse();
        assertThatThrownBy(() -> NativeLibrary.load("dev/nightjar/ffi", "libnothing.so"))
                .isInstanceOf(UnavailableException.class).hasMessageContaining("dev/nightjar/ffi/libnothing.so")
                .hasCauseInstanceOf(FileNotFoundException.class);
    }

    @Test
    void aFileThatIsNoLibraryIsRefusedWithItsCause() {
        assertThat(NativeLibrary.isPackaged("dev/nightjar/ffi/broken-library", "libbroken.so")).isTrue();
        assertThatThrownBy(() -> NativeLibrary.load("dev/nightjar/ffi/broken-library", "libbroken.so"))
                .isInstanceOf(UnavailableException.class).hasMessageContaining("libbroken.so").hasCauseInstanceOf(
                        IllegalArgumentException.class);
    }

    @Test
    void aFailedCallIsNamedWithItsStatus() {
        Downcalls.check("some_call", 0, status -> "never asked");
        assertThatThrownBy(() -> Downcalls.check("some_call", 7, status -> "text of " + status))
                .isInstanceOf(NightjarException.class).hasMessage("some_call failed with status 7 (text of 7)");
    }
}
