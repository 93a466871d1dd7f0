//! Which specification a kind of object has.

use super::Question;
use super::linear::{Linear, linearizable as check};
use crate::format::objects::{self, Keying, Typed, keying, typed};
use crate::format::{Datum, Fault, Log, Object, Operation};
use crate::history::History;
use crate::model::{Judgement, Model};
use crate::specification::{At, CasRegister, Counter, Keyed, Lock, Queue, Set, Specification};

/// Checks whether a log of some object is linearizable.
pub(super) fn linearizable(log: &Log, object: Object, question: &Question<'_>) -> Result<Linear, Fault> {
    let keying = keying(log);
    let format = log.format;
    match object {
        Object::Register | Object::CasRegister => {
            let convert = |operation: &Operation| objects::cas_register(object, format, keying, operation);
            let register = CasRegister { initial: objects::register_initial(log) };
            keyed(log, keying, convert, |_| register.clone(), question)
        }
        Object::KeyValue => {
            let entry = objects::entry(log);
            keyed(log, keying, |operation| objects::entries(keying, operation), |_| entry.clone(), question)
        }
        Object::Queue => {
            let convert = |operation: &Operation| objects::queue(keying, operation);
            if keying == Keying::Single {
                return Ok(check(&typed(log, convert)?, Queue::for_history, question));
            }
            keyed(log, keying, convert, |_| Queue::default(), question)
        }
        Object::Set => {
            let times = objects::times_changed(log, keying)?;
            keyed(
                log,
                keying,
                |operation| objects::set(keying, &times, operation),
                |_| Set::default(),
                question,
            )
        }
        Object::Counter => {
            let initial = log.header.initial.as_ref().and_then(Datum::as_integer).unwrap_or_default();
            let convert = |operation: &Operation| objects::counter(keying, operation);
            keyed(log, keying, convert, |_| Counter { initial }, question)
        }
        Object::Lock | Object::Mutex => {
            let convert = |operation: &Operation| objects::lock(object, format, keying, operation);
            keyed(log, keying, convert, |_| Lock, question)
        }
        Object::Etcd | Object::ListAppend | Object::ReadWrite => {
            let reason = format!("there is no checker of it for a {object}");
            Ok(Linear {
                judgement: Judgement::unknown(Model::Linearizable, reason),
                core: None,
                orders: Vec::new(),
            })
        }
    }
}

/// Checks a log of one object, or of one for each key.
fn keyed<S>(
    log: &Log,
    keying: Keying,
    mut convert: impl FnMut(&Operation) -> Result<Option<(S::Input, Option<S::Output>)>, Fault>,
    spec_of: impl Fn(&History<S::Input, S::Output>) -> S,
    question: &Question<'_>,
) -> Result<Linear, Fault>
where
    S: Specification<Input: Sync, Output: Sync> + Sync + Send,
{
    if keying == Keying::Single {
        return Ok(check(&typed(log, convert)?, spec_of, question));
    }
    let typed: Typed<At<Datum, S::Input>, S::Output> = typed(log, |operation| {
        let Some((input, output)) = convert(operation)? else { return Ok(None) };
        let key = keying.split(operation)?.key.cloned().unwrap_or_default();
        Ok(Some((At { key, input }, output)))
    })?;
    // What one object is does not depend on the operations of all.
    let alone = History::default();
    Ok(check(&typed, |_| Keyed::new(spec_of(&alone)), question))
}
