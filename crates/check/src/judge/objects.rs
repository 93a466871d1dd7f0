//! Which specification a kind of object has.

use super::Seeker;
use crate::format::objects::{self, Keying, Typed, keying, typed};
use crate::format::{Datum, Fault, Log, Object, Operation};
use crate::history::History;
use crate::specification::{
    At, CasRegister, Counter, KeyValue, Keyed, Lock, Queue, Set, Specification, Texts,
};

/// Hands the seeker the log as a history of its specification.
pub(super) fn with_history<T: Seeker>(log: &Log, object: Object, seeker: T) -> Result<T::Found, Fault> {
    let keying = keying(log);
    let format = log.format;
    match object {
        Object::Register | Object::CasRegister => {
            let convert = |operation: &Operation| objects::cas_register(object, format, keying, operation);
            let register = CasRegister { initial: objects::initial_value(log, object) };
            keyed(log, keying, convert, |_| register.clone(), seeker)
        }
        Object::KeyValue => {
            let entry = objects::entry(log);
            let convert = |operation: &Operation| objects::entries(keying, operation);
            if keying == Keying::Single {
                return Ok(seeker.seek(&|_: &History<_, _>| entry.clone(), &typed(log, convert)?));
            }
            let typed = typed_at(log, keying, convert)?;
            Ok(seeker.seek(&|history: &History<_, _>| Texts::for_history(entry.clone(), history), &typed))
        }
        Object::Queue => {
            let convert = |operation: &Operation| objects::queue(keying, operation);
            if keying == Keying::Single {
                return Ok(seeker.seek(&Queue::for_history, &typed(log, convert)?));
            }
            keyed(log, keying, convert, |_| Queue::default(), seeker)
        }
        Object::Set => {
            let times = objects::times_changed(log, keying)?;
            keyed(
                log,
                keying,
                |operation| objects::set(keying, &times, operation),
                |_| Set::default(),
                seeker,
            )
        }
        Object::Counter => {
            let initial = log.header.initial.as_ref().and_then(Datum::as_integer).unwrap_or_default();
            let convert = |operation: &Operation| objects::counter(keying, operation);
            keyed(log, keying, convert, |_| Counter { initial }, seeker)
        }
        Object::Lock | Object::Mutex => {
            let convert = |operation: &Operation| objects::lock(object, format, keying, operation);
            keyed(log, keying, convert, |_| Lock, seeker)
        }
        Object::Etcd => {
            let initial = objects::etcd_store(log)?;
            let spec = |history: &History<_, _>| KeyValue {
                initial: initial.clone(),
                ..KeyValue::for_history(history)
            };
            Ok(seeker.seek(&spec, &typed(log, objects::etcd)?))
        }
        Object::ListAppend | Object::ReadWrite => Ok(seeker.none(object)),
    }
}

/// Hands on a log of one object, or of one for each key.
fn keyed<S, T: Seeker>(
    log: &Log,
    keying: Keying,
    convert: impl FnMut(&Operation) -> Result<Option<(S::Input, Option<S::Output>)>, Fault>,
    spec_of: impl Fn(&History<S::Input, S::Output>) -> S,
    seeker: T,
) -> Result<T::Found, Fault>
where
    S: Specification<Input: Sync, Output: Sync> + Sync + Send,
{
    if keying == Keying::Single {
        return Ok(seeker.seek(&spec_of, &typed(log, convert)?));
    }
    let typed = typed_at(log, keying, convert)?;
    // What one object is does not depend on the operations of all.
    let alone = History::default();
    Ok(seeker.seek(&|_: &History<_, _>| Keyed::new(spec_of(&alone)), &typed))
}

/// A history of objects at keys.
pub(super) fn typed_at<I, O>(
    log: &Log,
    keying: Keying,
    mut convert: impl FnMut(&Operation) -> Result<Option<(I, Option<O>)>, Fault>,
) -> Result<Typed<At<Datum, I>, O>, Fault> {
    typed(log, |operation| {
        let Some((input, output)) = convert(operation)? else { return Ok(None) };
        let key = keying.split(operation)?.key.cloned().unwrap_or_default();
        Ok(Some((At { key, input }, output)))
    })
}
