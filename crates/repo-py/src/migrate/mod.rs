//! Migrations from Python: the run has a thread of its own, and the thread that called
//! reports its progress and watches for signals.

mod options;
mod progress;
mod sides;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use repo_core::{CollectionName, Error, ErrorKind, Result};
use repo_migrate::{MigrationReport, Phase};
use tokio::sync::watch;

use crate::errors::checked;
use crate::forked::{OpenFile, refuse_inherited};
use crate::place::Place;
use crate::process::runtime;
use crate::schemas::schemas;
use crate::wait::LOOK_AT_SIGNALS;
use options::options;
use progress::{Ending, Event, Told};
use sides::Sides;

/// Moves collections from one store to another. `repo_engine.migrate` says the rest.
#[pyfunction]
#[pyo3(signature = (source, target, schemas, options, progress))]
pub(crate) fn migrate(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    schemas: Option<&Bound<'_, PyAny>>,
    options: &str,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let registry = repo_engine::registry();
    let choose = |given: &Bound<'_, PyAny>, side: &'static str| {
        let chosen = Place::of(given)?.choose(&registry, &[]);
        checked(py, chosen.map_err(|error| error.with("side", side)))
    };
    let (source, target) = (choose(source, "source")?, choose(target, "target")?);
    let schemas = match self::schemas(schemas)? {
        Some(schemas) => schemas,
        None => checked(py, target.config.schemas())?,
    };
    let options = checked(py, self::options(options))?;
    let sides = Sides { source, target, schemas: Arc::new(schemas), options };
    let files = sides.sqlite_files();
    for file in &files {
        checked(py, refuse_inherited(py, file))?;
    }
    let _open: Vec<_> = files.iter().filter_map(|file| OpenFile::note(py, file)).collect();
    let report = checked(py, run(py, &sides, progress)?)?;
    serde_json::to_string(&report).map_err(|source| PyRuntimeError::new_err(source.to_string()))
}

/// Runs on a thread of its own. The outer error is one of Python's: of a signal, or of
/// the callback.
fn run(
    py: Python<'_>,
    sides: &Sides,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Result<MigrationReport>> {
    let runtime = checked(py, runtime(py))?;
    let (sender, events) = channel();
    let (ask, asked) = watch::channel(Ending::No);
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let told = Told::new(sender, asked);
            let done = runtime.block_on(async {
                tokio::select! {
                    done = sides.migrate(&told) => done,
                    () = told.asked(Ending::Now) => Err(ended_at_once()),
                }
            });
            told.flush();
            done
        });
        let interrupted = follow(py, events, progress, &ask);
        let Ok(done) = py.detach(|| worker.join()) else {
            return Err(PyRuntimeError::new_err("the thread of the migration panicked"));
        };
        match interrupted {
            Some(error) => Err(error),
            None => Ok(done),
        }
    })
}

fn ended_at_once() -> Error {
    let why = "it was ended at once; the same call resumes it";
    Error::new(ErrorKind::Unavailable, "migrate", why)
}

/// Reports until the run has ended. Returns what Python raised meanwhile: the first time
/// the run finishes the batches in hand, the second time it ends at once.
fn follow(
    py: Python<'_>,
    mut events: Receiver<Event>,
    progress: Option<&Bound<'_, PyAny>>,
    ask: &watch::Sender<Ending>,
) -> Option<PyErr> {
    let mut first: Option<PyErr> = None;
    loop {
        // It cannot be shared with a thread, but moved there and back.
        let (back, event) = py.detach(move || {
            let event = events.recv_timeout(LOOK_AT_SIGNALS);
            (events, event)
        });
        events = back;
        let done = match event {
            Err(RecvTimeoutError::Disconnected) => return first,
            Err(RecvTimeoutError::Timeout) => Ok(()),
            // After an exception nobody listens any more.
            Ok(event) if first.is_none() => tell(progress, &event),
            Ok(_) => Ok(()),
        };
        if let Err(error) = done.and_then(|()| py.check_signals()) {
            let ending = if first.is_none() { Ending::Soon } else { Ending::Now };
            let _ = ask.send(ending);
            first = first.or(Some(error));
        }
    }
}

/// Calls `progress(phase, done, total, collection, warning)`.
fn tell(progress: Option<&Bound<'_, PyAny>>, event: &Event) -> PyResult<()> {
    let Some(progress) = progress else { return Ok(()) };
    let name = |phase: Option<Phase>| {
        let name = serde_json::to_value(phase).ok()?;
        name.as_str().map(str::to_owned)
    };
    let told = match event {
        Event::Phase { phase, total } => (name(Some(*phase)), 0, *total, None, None),
        Event::Records { phase, collection, done, total } => {
            (name(*phase), *done, *total, Some(CollectionName::as_str(collection)), None)
        }
        Event::Warning(text) => (None, 0, None, None, Some(text.as_str())),
    };
    progress.call1(told).map(drop)
}
