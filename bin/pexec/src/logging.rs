//! Log lines of the pool and the run, for who asks with `-v` or `PEXEC_LOG`; off otherwise.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Installs a subscriber that writes to standard error, if one is wanted, and says whether it did.
///
/// # Errors
///
/// A filter that cannot be read, as a message for the user.
pub(crate) fn install(verbose: u8, filter: Option<String>, colour: bool) -> Result<bool, String> {
    let Some(targets) = targets(verbose, filter.as_deref())? else {
        return Ok(false);
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    let installed = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
    Ok(installed.is_ok())
}

/// The flag wins over the variable.
fn targets(verbose: u8, filter: Option<&str>) -> Result<Option<Targets>, String> {
    match (verbose, filter.map(str::trim).filter(|f| !f.is_empty())) {
        (0, None) => Ok(None),
        (0, Some(filter)) => match filter.parse() {
            Ok(targets) => Ok(Some(targets)),
            Err(e) => Err(format!(
                "cannot read PEXEC_LOG=`{filter}`: {e}; use a level (error, warn, info, debug, trace) or target=level pairs"
            )),
        },
        (1, _) => Ok(Some(Targets::new().with_default(LevelFilter::DEBUG))),
        _ => Ok(Some(Targets::new().with_default(LevelFilter::TRACE))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_logged_unless_asked_for() {
        assert!(targets(0, None).expect("valid").is_none());
        assert!(targets(0, Some(" ")).expect("valid").is_none());
        assert!(targets(1, None).expect("valid").is_some());
        assert!(targets(0, Some("pexec=debug,warn")).expect("valid").is_some());
        assert!(
            targets(0, Some("pexec=loud"))
                .expect_err("no such level")
                .contains("loud")
        );
    }
}
