//! `repoctl config validate`: all that is wrong, not only the first thing.

use std::collections::BTreeMap;
use std::path::Path;

use cli_output::exit_code::{Ending, USAGE};
use cli_output::failure::{ErrorView, Outcome, for_people};
use cli_output::output::{Format, complain};
use repo_core::Error;
use repo_core::strategy::StrategyFactory;
use repo_engine::config::Config;
use serde_json::json;

use crate::cli::context::Context;

pub(crate) fn run(context: &Context) -> Outcome<Ending> {
    let file = context.need_configuration()?;
    let (problems, config) = problems(context, file.as_deref());
    let ignored = config.as_ref().map(Config::ignored).unwrap_or_default();
    let answer = json!({
        "file": file,
        "valid": problems.is_empty(),
        "problems": problems.iter().map(ErrorView::new).collect::<Vec<_>>(),
        "ignored": ignored,
        "notices": config.as_ref().map(Config::notices).unwrap_or_default(),
    });
    problems.iter().for_each(|problem| complain(&for_people(problem)));
    if problems.is_empty() || context.output.format != Format::Human {
        context.output.result(&answer, || human(file.as_deref(), ignored))?;
    }
    Ok(if problems.is_empty() { Ending::Done } else { Ending::Unsound(USAGE) })
}

fn human(file: Option<&Path>, ignored: &[String]) -> String {
    let ignored = match ignored {
        [] => String::new(),
        names => format!("; not ours, ignored: {}", names.join(", ")),
    };
    match file {
        Some(file) => format!("{} is valid{ignored}", file.display()),
        None => format!("the configuration in the environment is valid{ignored}"),
    }
}

/// All problems, and the configuration if its own sections are sound.
fn problems(context: &Context, file: Option<&Path>) -> (Vec<Error>, Option<Config>) {
    let chosen = context.load_chosen(file);
    let mut problems = Vec::new();
    let strategy = match &chosen {
        Ok(config) => Some(config.storage().strategy.clone()),
        Err(_) => None,
    };
    // What is wrong with the chosen strategy must not hide the other blocks.
    let Ok(config) = chosen.or_else(|error| {
        problems.push(error);
        context.load(file, None)
    }) else {
        return (problems, None);
    };
    for factory in blocks(context, strategy.as_deref()) {
        // A strategy that nobody chose and nobody wrote settings for may need some.
        if strategy.as_deref() == Some(factory.name())
            || config.has_settings(factory.settings_key())
        {
            let settings = config.settings(factory.settings_key());
            add(&mut problems, settings.and_then(|settings| factory.check(&settings)));
        }
    }
    add(&mut problems, context.schemas(&config).map(drop));
    if let Some(Ok(factory)) = strategy.as_deref().map(|name| context.registry.get(name)) {
        add(&mut problems, factory.check_built_in());
    }
    (problems, Some(config))
}

/// One factory for each settings block: the chosen one where it reads the
/// block, else the one that the block is named after.
fn blocks<'a>(
    context: &'a Context,
    strategy: Option<&str>,
) -> impl Iterator<Item = &'a dyn StrategyFactory> {
    let mut blocks: BTreeMap<&str, &dyn StrategyFactory> = BTreeMap::new();
    for factory in context.registry.iter().map(AsRef::as_ref) {
        let key = factory.settings_key();
        let named_after = key.strip_suffix("_strategy") == Some(factory.name());
        let chosen = |known: &&dyn StrategyFactory| strategy == Some(known.name());
        if chosen(&factory) || (named_after && !blocks.get(key).is_some_and(chosen)) {
            blocks.insert(key, factory);
        }
    }
    blocks.into_values()
}

/// Adds a problem that is not there yet in the same words.
fn add(problems: &mut Vec<Error>, checked: repo_core::Result<()>) {
    if let Err(error) = checked
        && !problems.iter().any(|known| known.to_string() == error.to_string())
    {
        problems.push(error);
    }
}
