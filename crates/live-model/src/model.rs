//! The model as `stateright` takes it: where it begins, which steps there are, what each
//! does.

use stateright::{Model, Property};

use crate::actions::Action;
use crate::rules::{LiveModel, Setting};
use crate::state::{Acked, Cell, Counts, KEYS, Log, Note, Role, State, Store};
use crate::{feed, operators, properties, routers, writes};

impl Model for LiveModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let one = Cell { version: 1, value: 0 };
        let copied = !self.setting.bounds.copy;
        // Alike, so that keys are symmetric; for the copy, one to be copied and one absent.
        let old = if copied { [one; KEYS] } else { [one, Cell::default()] };
        let target = if copied { old } else { [Cell::default(); KEYS] };
        vec![State {
            stores: [store(Role::Authority, 1, old), store(Role::Replica, 0, target)],
            copied,
            copied_at_once: copied,
            routers: [routers::FRESH; 2],
            operators: [operators::FRESH; 2],
            acked: [Acked::default(); KEYS],
            counts: Counts::default(),
            note: Note::None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for one in 0..2 {
            routers::enabled(&self.setting, state, one, actions);
            writes::enabled(&self.setting, state, one, actions);
            operators::enabled(&self.setting, state, one, actions);
            feed::enabled(&self.setting, state, one, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        state.note = Note::None;
        of_embedder(&self.setting, &mut state, action)?;
        of_migration(&self.setting, &mut state, action)?;
        Some(state)
    }

    fn format_action(&self, action: &Action) -> String {
        action.to_string()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}

fn store(role: Role, epoch: u8, cells: [Cell; KEYS]) -> Store {
    Store { role, epoch, attempt: 0, claimed: true, cells, log: Log::default(), position: 0 }
}

/// Does `action` if it is one of a router or its write; `None` if it changes nothing.
fn of_embedder(setting: &Setting, state: &mut State, action: Action) -> Option<()> {
    match action {
        Action::Renew(r) => return routers::renew(setting, state, r),
        Action::LeaseEnds(r) => state.routers[usize::from(r)].lease = None,
        Action::Help(r) => routers::help(setting, state, r),
        Action::Begin(r, key) => writes::begin(setting, state, r, key),
        Action::Commit(r) => return writes::commit(setting, state, r),
        Action::Fail(r) => writes::fail(state, r),
        Action::Stale(r) => writes::stale(state, r),
        Action::Answer(r) => return writes::answer(setting, state, r),
        Action::LoseAnswer(r) => return writes::lose(setting, state, r),
        Action::Resolve(r) => return writes::resolve(setting, state, r),
        Action::RouterCrash(r) => return routers::crash(state, r),
        _ => {}
    }
    Some(())
}

/// Does `action` if it is one of an operator; `None` if it changes nothing.
fn of_migration(setting: &Setting, state: &mut State, action: Action) -> Option<()> {
    match action {
        Action::Fence(o, at) => operators::fence(state, o, at),
        Action::TakeOver(o, at) => return operators::take_over(state, o, at),
        Action::Cancel(o, at) => operators::cancel(state, o, at),
        Action::Abort(o) => operators::abort(setting, state, o),
        Action::Release(o) => operators::release(state, o),
        Action::Drain(o) => operators::drain(state, o),
        Action::Decide(o) => return operators::decide(setting, state, o),
        Action::Promote(o) => operators::promote_by(setting, state, o),
        Action::Read(o, from) => feed::read(setting, state, o, from),
        Action::ReadCopy(o) => feed::read_copy(state, o),
        Action::Apply(o) => return feed::apply(setting, state, o),
        Action::StorePosition(o) => feed::store_position(state, o),
        Action::Raise(at, key) => feed::raise(setting, state, at, key),
        Action::OperatorCrash(o) => operators::crash(state, o),
        _ => {}
    }
    Some(())
}
