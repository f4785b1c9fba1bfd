package dev.nightjar.examples;

import dev.nightjar.NightjarException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ScopeType;

/** The command line {@code nightjar}. */
@Command(name = "nightjar", description = "Trains and runs DistilBERT for sentiment: a class and a score.",
        scope = ScopeType.INHERIT, mixinStandardHelpOptions = true, versionProvider = Versions.class,
        sortOptions = false, usageHelpAutoWidth = true, exitCodeListHeading = "%nExit codes:%n", exitCodeList = {
                "0:done", "1:failed, the message on standard error says why",
                "2:wrong arguments", "130:interrupted (Ctrl-C); training has saved a checkpoint"},
        subcommands = {
                ClassifyCommand.class, TrainCommand.class, EvaluateCommand.class, ConvertCommand.class,
                StudyCommand.class, TradingCommand.class, DoctorCommand.class})
public final class Nightjar {
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int INTERRUPTED = 130;

    private Nightjar() {
    }

    /** Runs a command and ends the JVM with its exit code. */
    public static void main(String[] arguments) {
        int exitCode = commandLine().execute(arguments);
        Interruption.commandEnded();
        System.exit(exitCode);
    }

    static CommandLine commandLine() {
        return new CommandLine(new Nightjar()).setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler((exception, arguments) -> {
                    CommandLine command = exception.getCommandLine();
                    String name = command.getCommandSpec().qualifiedName();
                    command.getErr().println(name + ": " + exception.getMessage());
                    command.getErr().println("Try: " + name + " --help");
                    return USAGE;
                })
                .setExecutionExceptionHandler((exception, command, parsed) -> {
                    report(exception, command.getErr());
                    return FAILED;
                });
    }

    private static void report(Exception exception, PrintWriter err) {
        switch (exception) {
            case NoSuchFileException e -> err.println("nightjar: " + e.getFile() + ": no such file or folder");
            case FileAlreadyExistsException e -> err.println("nightjar: " + e.getMessage());
            case FileSystemException e -> err.println("nightjar: " + e.getMessage());
            case IOException e -> err.println("nightjar: " + e);
            case NightjarException e -> err.println("nightjar: " + e.getMessage());
            case IllegalArgumentException e -> err.println("nightjar: " + e.getMessage());
            // A mistake in this program: its trace is what a report needs.
            default -> exception.printStackTrace(err);
        }
        err.flush();
    }
}
