//! Leaving out what the caller did not select: a handle for reading opens the
//! files of the selected collections only.

use std::collections::BTreeMap;

use repo_core::strategy::OpenOptions;

use crate::meta::MetaFile;
use crate::snapshot::Form;
use crate::state::State;

/// Takes what is not selected out of a state that `.meta` describes, and its
/// files out of those that are going to be opened. The one file of a single
/// layout stays: it holds what is selected as well.
pub(crate) fn apply(options: &OpenOptions, state: &mut State, files: &mut Vec<MetaFile>) {
    if options.selection().is_none() {
        return;
    }
    let all = std::mem::take(&mut state.collections);
    let (selected, left_out): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(name, _)| options.selects(name.as_str()));
    state.collections = selected;
    state.left_out = left_out.into_keys().collect();
    let owned: Vec<usize> = state.collections.values().filter_map(|found| found.file).collect();
    let all = std::mem::take(files);
    let mut places = BTreeMap::new();
    for (index, file) in all.into_iter().enumerate() {
        if file.form == Form::Single || owned.contains(&index) {
            places.insert(index, files.len());
            files.push(file);
        }
    }
    for collection in state.collections.values_mut() {
        collection.file = collection.file.and_then(|index| places.get(&index).copied());
    }
}
