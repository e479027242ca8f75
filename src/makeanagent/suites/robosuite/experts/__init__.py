"""Scripted experts, one file a task: functions of what is observed, without memory."""
