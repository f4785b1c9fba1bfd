package dev.nightjar.examples;

import picocli.CommandLine.Command;

/** The studies. */
@Command(name = "study", description = "Repeats a study on your data: many trainings, resumable, and what they tell.",
        subcommands = {
                VariabilityCommand.class, DaoCommand.class, StudyReportCommand.class, RegressCommand.class})
final class StudyCommand {
}
