//! How much is measured.

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    quick: bool,
    tasks: u64,
}

impl Size {
    pub(crate) fn new(quick: bool, tasks: u64) -> Size {
        Size { quick, tasks }
    }

    /// So many, or few.
    pub(crate) fn of(self, full: u64) -> u64 {
        if self.quick { (full / 500).max(8) } else { full }
    }

    /// How many tasks the tests of many tasks submit.
    pub(crate) fn tasks(self) -> u64 {
        self.of(self.tasks)
    }

    /// Only whether everything works: figures mean nothing.
    pub(crate) fn is_quick(self) -> bool {
        self.quick
    }

    /// The options that give another run of this program the same size.
    pub(crate) fn words(self) -> Vec<String> {
        let mut words = vec!["--tasks".to_owned(), self.tasks.to_string()];
        if self.quick {
            words.push("--quick".to_owned());
        }
        words
    }
}
