"""What all trainings share.

stage, task   how long, by what schedule and for what something is trained, and what that is
descent       one step of gradient descent
loop          steps until a budget is spent: moving average, checkpoints, curves, several processes
tables, integer_export, graph_builder, set_folder        from trained networks to the files of a set
"""
