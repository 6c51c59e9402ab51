"""Wire protocol between a trainer and its viewers: one JSON object a line.

The ``type`` of an object names the message. A non-finite number is ``null``, and the message that
ends a run says in words how it ended. Unknown fields and messages, of a newer peer, are ignored;
known ones that are malformed are errors.
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
