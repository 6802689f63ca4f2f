//! The code in `docs/guide`, so that it is compiled and, where it can be, run.

/// A page of the guide as documentation of an item: its blocks are doctests.
macro_rules! page {
    ($item:ident, $file:literal) => {
        #[cfg(doctest)]
        #[doc = include_str!(concat!("../../../guide/", $file))]
        pub struct $item;
    };
}

page!(QuickStart, "quick-start.md");
page!(Choosing, "choosing.md");
page!(TimeoutsAndRetries, "timeouts-and-retries.md");
page!(Crashes, "crashes.md");
page!(Memory, "memory.md");
page!(Testing, "testing.md");
page!(Library, "library.md");
page!(Command, "command.md");
