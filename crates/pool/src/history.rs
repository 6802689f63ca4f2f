//! What came before a task's last attempt, as its error tells it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Execution, TaskError};

/// Kept only by errors of tasks that had several attempts, or might have had another one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// The ends of the attempts before, oldest first.
    earlier: Vec<TaskError>,
    /// Why there was no other attempt.
    not_retried: Option<String>,
}

impl TaskError {
    /// How the attempts before the last one ended, oldest first: empty for a task that ran once. What a retried task
    /// ended with in the end is this error itself.
    ///
    /// An argument or a result that could not be read or written ([`TaskError::Encode`], [`TaskError::Decode`],
    /// [`TaskError::TooLarge`]) does not tell of earlier attempts.
    pub fn attempts(&self) -> &[TaskError] {
        self.history().map_or(&[], |history| &history.earlier)
    }

    /// Why the task was not tried again, where that was not only because its attempts were used up: it has crashed
    /// several workers and is quarantined; or it was cancelled, or its pool was stopped or broke, between two attempts.
    pub fn not_retried(&self) -> Option<&str> {
        self.history()?.not_retried.as_deref()
    }

    fn history(&self) -> Option<&History> {
        match self {
            TaskError::Panicked(panic) => panic.history.as_deref(),
            _ => self.autopsy()?.history.as_deref(),
        }
    }

    /// The outcome of a task that had these attempts before. One that was then kept from running again has run all the
    /// same: it ends as its last attempt did, so that nobody takes it for one that has not started.
    pub(crate) fn after(mut self, mut earlier: Vec<TaskError>) -> TaskError {
        if self.execution() == Execution::NotStarted
            && let Some(mut last) = earlier.pop()
        {
            let why = match self {
                TaskError::Cancelled => "it was cancelled before its next attempt".to_owned(),
                other => other.to_string(),
            };
            last.set_history(earlier, Some(why));
            return last;
        }
        let crashes = |error: &&TaskError| matches!(error, TaskError::Crashed(_));
        let before = earlier.iter().filter(crashes).count();
        let quarantined = (crashes(&&self) && before > 0).then(|| {
            let workers = before + 1;
            format!("it has crashed {workers} workers and is quarantined")
        });
        if !earlier.is_empty() {
            self.set_history(earlier, quarantined);
        }
        self
    }

    fn set_history(&mut self, earlier: Vec<TaskError>, not_retried: Option<String>) {
        let history = match self {
            TaskError::Panicked(panic) => &mut panic.history,
            TaskError::Crashed(autopsy)
            | TaskError::TimedOut(autopsy)
            | TaskError::LimitExceeded(autopsy)
            | TaskError::Killed(autopsy) => &mut autopsy.history,
            _ => return,
        };
        *history = Some(Box::new(History { earlier, not_retried }));
    }

    /// The lines that `Display` adds for what came before.
    pub(crate) fn fmt_history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(history) = self.history() else {
            return Ok(());
        };
        if let Some(why) = &history.not_retried {
            write!(f, "\nnot tried again: {why}")?;
        }
        for (number, attempt) in (1..).zip(&history.earlier) {
            match attempt {
                TaskError::Panicked(panic) => write!(f, "\nattempt {number} panicked: {panic}")?,
                _ => match attempt.autopsy() {
                    Some(a) => write!(
                        f,
                        "\nattempt {number}: worker {} ended by {} while {}, after {:.1?}: {}",
                        a.pid, a.exit, a.phase, a.ran_for, a.verdict
                    )?,
                    None => write!(f, "\nattempt {number}: {attempt}")?,
                },
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autopsy::Panic;
    use crate::error::TaskErrorKind;

    fn panicked(message: &str) -> TaskError {
        TaskError::Panicked(Panic {
            message: message.to_owned(),
            location: "here.rs:1:1".to_owned(),
            backtrace: None,
            thread: "main".to_owned(),
            history: None,
        })
    }

    #[test]
    fn a_task_that_is_stopped_between_two_attempts_never_counts_as_not_started() {
        for why in [TaskError::Cancelled, TaskError::PoolBroken("no workers".into())] {
            let error = why.after(vec![panicked("one"), panicked("two")]);
            assert_eq!(error.kind(), TaskErrorKind::Panicked);
            assert_ne!(error.execution(), Execution::NotStarted);
            assert_eq!(error.attempts().len(), 1);
            assert!(error.not_retried().is_some());
            let text = error.to_string();
            assert!(text.starts_with("task panicked: two"), "{text}");
            assert!(text.contains("\nattempt 1 panicked: one"), "{text}");
            assert!(text.contains("\nnot tried again: "), "{text}");
        }
    }

    #[test]
    fn without_attempts_before_an_error_stays_what_it_is() {
        let error = TaskError::Cancelled.after(Vec::new());
        assert_eq!(error.execution(), Execution::NotStarted);
        assert_eq!((error.attempts().len(), error.not_retried()), (0, None));
        assert_eq!(
            panicked("one").after(Vec::new()).to_string(),
            panicked("one").to_string()
        );
    }
}
