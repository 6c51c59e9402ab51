"""Wire protocol between a trainer and its viewers: one JSON object a line.

The ``type`` of an object says what it is. A number that is not finite is ``null``, and the message
that ends a run says in words how it ended. A field or a message that a newer peer adds is ignored;
one that is known and malformed is an error.
"""

from lrtui.messages.commands import (
    ALL_CAPABILITIES,
    MOST_ENTRANTS,
    USUAL_FACTORS,
    Add,
    Adopt,
    Alone,
    AnyCommand,
    Cancel,
    Capability,
    Checkpoint,
    Command,
    Entrant,
    Follow,
    Heat,
    Hold,
    Load,
    Pause,
    Race,
    Release,
    Resume,
    Rewind,
    Scale,
    Seek,
    SetLr,
    SetSpeed,
    Start,
    Step,
    Stop,
    Sweep,
    TakeSnapshot,
    Try,
    Watch,
)
from lrtui.messages.greeting import (
    PROTOCOL,
    Failed,
    Greeting,
    Joined,
    NoResult,
    Printed,
    Unusable,
)
from lrtui.messages.message import Message
from lrtui.messages.optimizer import OWN, PLAIN, Optimizer, OptimizerName
from lrtui.messages.problem import (
    ClassesScene,
    CurveScene,
    LineScene,
    PlaneScene,
    ProblemFacts,
    Quadratic,
    Scene,
)
from lrtui.messages.quantities import LARGEST, SCHEDULES, LearningRate, Outcome, ScheduleName
from lrtui.messages.runs import (
    Ahead,
    Ended,
    Marked,
    Picture,
    Progress,
    Rewound,
    Sharpness,
    Slice,
    Started,
    State,
)
from lrtui.messages.steering import (
    MOST_NAMES,
    Branch,
    Gauge,
    LiveReport,
    Ranks,
    Snapshots,
    Steered,
    Tried,
    Trying,
    Updates,
    Vitals,
)
from lrtui.messages.sweeps import GridResult, SweepResult
from lrtui.messages.wire import AnyMessage, decode_command, decode_message, encode
