//! What a call costs, as formulas: each message is lost with probability p, independently, and a client repeats until it is answered.

/// Messages of a call when nothing is lost: a request and a response.
pub const MESSAGES: u64 = 2;

/// Requests a call: an attempt succeeds if neither the request nor its response is lost.
pub fn requests_per_call(loss: f64) -> f64 {
    1.0 / ((1.0 - loss) * (1.0 - loss))
}

/// Responses a call: of the requests those that arrive.
pub fn responses_per_call(loss: f64) -> f64 {
    1.0 / (1.0 - loss)
}

/// Executions of an at-least-once call: one for each request that arrives.
pub fn executions_at_least_once(loss: f64) -> f64 {
    responses_per_call(loss)
}

/// The share of maybe calls that are executed.
pub fn executions_maybe(loss: f64) -> f64 {
    1.0 - loss
}

/// The share of calls that get results when a client tries so often.
pub fn answered(loss: f64, attempts: u32) -> f64 {
    let success = (1.0 - loss) * (1.0 - loss);
    let failures = (0..attempts).fold(1.0, |failures, _| failures * (1.0 - success));
    1.0 - failures
}
