package dev.nightjar.pipeline;

import java.util.ArrayList;
import java.util.List;

/** Keeps what a pipeline says, in its order. Thread-safe. */
final class Collector implements ResultHandler {
    /** @param length what {@link StubModel} says of a text, -1 if it failed, -2 if it was dropped */
    record Answer(long id, int length) {
    }

    private final List<Answer> answers = new ArrayList<>();

    @Override
    public synchronized void answered(PipelineResult result) {
        answers.add(new Answer(result.id(), (int) result.score(0)));
    }

    @Override
    public synchronized void failed(long id, Throwable cause) {
        answers.add(new Answer(id, -1));
    }

    @Override
    public synchronized void dropped(long id) {
        answers.add(new Answer(id, -2));
    }

    synchronized List<Answer> answers() {
        return List.copyOf(answers);
    }

    List<Long> ids() {
        return answers().stream().map(Answer::id).toList();
    }
}
