//! The parts of the laboratory one by one. They are here and not in the library, so that it is compiled once.

mod crowd;
mod disk;
mod marks;
mod measurement;
mod report;
mod rounds;
mod sample;
mod scenario;
mod settings;
mod suggest;
mod trial;
