//! Two protocols, each written once, and given to two explorers: ours and that of the crate `stateright`.

pub mod paxos;
pub mod two_phase;

/// Gives a model, `$system` with `Deed`s over `Moment`s, to both explorers. The functions below are all that either knows of it.
macro_rules! explored {
    ($system:ty, $action:ty, $state:ty, $property:literal) => {
        impl synod_sim::explore::Model for $system {
            type State = $state;
            type Action = $action;

            fn initial(&self) -> Vec<$state> {
                vec![self.beginning()]
            }
            fn actions(&self, state: &$state, actions: &mut Vec<$action>) {
                self.possible(state, actions);
            }
            fn apply(&self, state: &$state, action: &$action, next: &mut Vec<$state>) {
                next.push(self.after(state, *action));
            }
            fn properties(&self) -> &[synod_sim::explore::Property<Self>] {
                static PROPERTIES: std::sync::OnceLock<[synod_sim::explore::Property<$system>; 1]> =
                    std::sync::OnceLock::new();
                PROPERTIES.get_or_init(|| {
                    [synod_sim::explore::Property::always($property, |_: &$system, state: &$state| {
                        if state.sound() { Ok(()) } else { Err(format!("found {state:?}")) }
                    })]
                })
            }
            fn fingerprint(&self, state: &$state) -> u64 {
                synod_sim::explore::fingerprint(state)
            }
        }

        impl stateright::Model for $system {
            type State = $state;
            type Action = $action;

            fn init_states(&self) -> Vec<$state> {
                vec![self.beginning()]
            }
            fn actions(&self, state: &$state, actions: &mut Vec<$action>) {
                self.possible(state, actions);
            }
            fn next_state(&self, state: &$state, action: $action) -> Option<$state> {
                Some(self.after(state, action))
            }
            fn properties(&self) -> Vec<stateright::Property<Self>> {
                vec![stateright::Property::always($property, |_, state: &$state| state.sound())]
            }
        }
    };
}
pub(crate) use explored;
