//! A broken invariant inside a mechanism panics: the world turns that into a violation instead of dying of it.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `act`; a panic becomes its message with its place. Nothing is printed: the finding says it all.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.get() {
                let payload = info.payload();
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                let message = text.unwrap_or("a panic without words");
                let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
                MESSAGE.set(format!("{message}{}", place.unwrap_or_default()));
            } else {
                others(info);
            }
        }));
    });
    let outside = INSIDE.replace(true);
    // Whatever was half changed is never stepped again: the run ends with the violation.
    let result = catch_unwind(AssertUnwindSafe(act));
    INSIDE.set(outside);
    result.map_err(|_| MESSAGE.take())
}
