//! The parts of the laboratory one by one, by their interface: a change of these tests builds nothing else anew.

mod crowd;
mod disk;
mod exploration;
mod marks;
mod measurement;
mod report;
mod rounds;
mod sample;
mod scenario;
mod settings;
mod suggest;
mod symmetry;
mod trial;
