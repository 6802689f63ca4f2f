//! A plan for people: a line for each instance, below its task.

use std::io::{self, Write};

use pexec_job::outlook::{Action, Seen, Sums};
use pexec_job::plan::{Plan, TaskPlan};

use super::{Form, size};
use crate::wording;

pub(super) struct Text;

impl Form for Text {
    fn task(&mut self, out: &mut dyn Write, task: &TaskPlan, needs: &[&str]) -> io::Result<()> {
        write!(out, "{}: {}", task.name, size(task))?;
        if !needs.is_empty() {
            write!(out, ", after {}", needs.join(", "))?;
        }
        if task.start.priority != 0 {
            write!(out, ", priority {}", task.start.priority)?;
        }
        writeln!(out)
    }

    fn instance(&mut self, out: &mut dyn Write, seen: &Seen) -> io::Result<()> {
        let word = match seen.action {
            Action::UpToDate => "up to date",
            Action::Left => "left out",
            _ => seen.action.as_str(),
        };
        write!(out, "  {word:<10}  {}", wording::label(&seen.who.label))?;
        match seen.action.why() {
            Some(why) => writeln!(out, ": {why}"),
            None => writeln!(out),
        }
    }

    fn task_end(&mut self, _: &mut dyn Write, _: usize, _: &TaskPlan, _: &Sums) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write, _: &Plan) -> io::Result<()> {
        Ok(())
    }
}
