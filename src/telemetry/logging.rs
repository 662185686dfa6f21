//! Log lines: for people on a terminal, JSON for machines.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, ParseError, filter_fn},
    fmt,
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
    util::TryInitError,
};

use crate::config::{LogConfig, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.filter` is no filter; a checked configuration has one that is.
    #[error("log.filter is no filter")]
    Filter(#[from] ParseError),
    /// This process logs already.
    #[error("logging was set up before")]
    Twice(#[from] TryInitError),
}

/// Has this process log to standard error, from now on and until it ends.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    subscriber(config, io::stderr().is_terminal(), io::stderr)?.try_init()?;
    Ok(())
}

fn subscriber<W>(
    config: &LogConfig,
    terminal: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // It says nothing of levels, and would else be taken to want all: each line that the engine traces, of which there are
    // several a row, was then held against the filter only to be dropped.
    let no_secret = filter_fn(tells_no_secret).with_max_level_hint(Level::TRACE);
    let filter = EnvFilter::try_new(&config.filter)?.and(no_secret);
    let human = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let lines = fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if !human {
        lines.json().flatten_event(true).boxed()
    } else if terminal {
        // Whether colours are wanted there is left to the layer, which heeds NO_COLOR.
        lines.boxed()
    } else {
        lines.with_ansi(false).boxed()
    };
    Ok(Registry::default().with(lines.with_filter(filter)))
}

/// Whatever the operator asks for: the storage engine's own trace spells out every row that it writes, secrets, tokens
/// and callbacks with them (X06, X07).
fn tells_no_secret(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_engine = target == "sled" || target.starts_with("sled::");
    !is_engine || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::level_filters::LevelFilter;

    use super::*;

    /// Where a test's log lines gather.
    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, terminal: bool) -> String {
        logged_of(format, filter, terminal, || {
            tracing::info!(topics = 3, "opened");
            tracing::debug!("detail");
        })
    }

    fn logged_of(format: LogFormat, filter: &str, terminal: bool, say: impl FnOnce()) -> String {
        let lines = Lines::default();
        let config = LogConfig { format, filter: filter.to_owned() };
        let writer = lines.clone();
        let subscriber = subscriber(&config, terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, say);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn off_a_terminal_a_line_is_one_json_object() {
        let text = logged(LogFormat::Auto, "info", false);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "opened");
        assert_eq!(line["topics"], 3);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn on_a_terminal_a_line_is_for_people() {
        let text = logged(LogFormat::Auto, "info", true);
        assert!(text.contains("opened") && !text.starts_with('{'), "{text}");
    }

    #[test]
    fn what_is_for_people_has_no_colours_off_a_terminal() {
        let text = logged(LogFormat::Human, "info", false);
        assert!(text.contains("opened topics=3") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn x07_no_filter_lets_the_engine_spell_out_its_rows() {
        for filter in ["trace", "sled=trace,sledge=trace", "sled::tree=trace,sled=info,sledge=trace"] {
            let text = logged_of(LogFormat::Human, filter, false, || {
                tracing::info!(target: "sled", "recovered");
                tracing::trace!(target: "sled::tree", "every row");
                tracing::trace!(target: "sledge", "of another name");
            });
            assert!(text.contains("recovered") && text.contains("of another name"), "{text}");
            assert!(!text.contains("every row"), "{text}");
        }
    }

    /// What is not said costs a comparison, also where it comes by way of the `log` crate.
    #[test]
    fn nobody_is_asked_about_what_no_filter_lets_through() {
        for (filter, level) in [("info", LevelFilter::INFO), ("warn,hubbub=debug", LevelFilter::DEBUG)] {
            let config = LogConfig { format: LogFormat::Json, filter: filter.to_owned() };
            let subscriber = subscriber(&config, false, io::sink).unwrap();
            assert_eq!(subscriber.max_level_hint(), Some(level), "{filter}");
        }
    }

    #[test]
    fn the_filter_decides_what_is_said() {
        assert!(logged(LogFormat::Human, "debug", false).contains("detail"));
        assert_eq!(logged(LogFormat::Human, "warn", false), "");
    }
}
