import ews from 'ews-javascript-api';
import { SEARCH_KEY } from '../../protocols/ews/item-list.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import { ORIGINAL_ADDRESSES, PERSONAL_HOME_PAGE } from './map/contact.js';
import { NOTE_COLOUR } from './map/note.js';

type Property = InstanceType<typeof ews.PropertyDefinitionBase>;

/** PSETID_Note ([MS-OXPROPS] 1.3.2). */
const NOTES_SET = '0006200E-0000-0000-C000-000000000046';

const { ItemSchema, AppointmentSchema, ContactSchema, ContactGroupSchema, TaskSchema, MapiPropertyType } = ews;

const always = (): Property[] => [
  ItemSchema.ItemClass,
  ItemSchema.Subject,
  ItemSchema.Body,
  ItemSchema.Categories,
  ItemSchema.DateTimeCreated,
  ItemSchema.LastModifiedTime,
  ItemSchema.Sensitivity,
  new ews.ExtendedPropertyDefinition(SEARCH_KEY, MapiPropertyType.Binary),
];

const reminders = (): Property[] => [
  ItemSchema.IsReminderSet,
  ItemSchema.ReminderDueBy,
  ItemSchema.ReminderMinutesBeforeStart,
];

const OWN: Readonly<Record<Exclude<ItemKind, 'mail'>, () => Property[]>> = {
  calendars: () => [
    ...reminders(),
    ItemSchema.Attachments,
    AppointmentSchema.ICalUid,
    AppointmentSchema.ICalDateTimeStamp,
    AppointmentSchema.Start,
    AppointmentSchema.End,
    AppointmentSchema.StartTimeZone,
    AppointmentSchema.EndTimeZone,
    AppointmentSchema.IsAllDayEvent,
    AppointmentSchema.LegacyFreeBusyStatus,
    AppointmentSchema.Location,
    AppointmentSchema.IsCancelled,
    AppointmentSchema.MyResponseType,
    AppointmentSchema.Organizer,
    AppointmentSchema.RequiredAttendees,
    AppointmentSchema.OptionalAttendees,
    AppointmentSchema.Resources,
    AppointmentSchema.AppointmentSequenceNumber,
    AppointmentSchema.Recurrence,
    AppointmentSchema.ModifiedOccurrences,
    AppointmentSchema.DeletedOccurrences,
  ],
  contacts: () => [
    ItemSchema.Attachments,
    ItemSchema.HasAttachments,
    ...[ContactSchema.FileAs, ContactSchema.DisplayName, ContactSchema.GivenName, ContactSchema.MiddleName],
    ...[ContactSchema.Surname, ContactSchema.Generation, ContactSchema.NickName, ContactSchema.CompleteName],
    ...[ContactSchema.CompanyName, ContactSchema.Department, ContactSchema.JobTitle, ContactSchema.Profession],
    ...[ContactSchema.EmailAddresses, ContactSchema.PhysicalAddresses, ContactSchema.PhoneNumbers],
    ...[ContactSchema.ImAddresses, ContactSchema.BusinessHomePage, ContactSchema.Birthday],
    ...[ContactSchema.WeddingAnniversary, ContactSchema.AssistantName, ContactSchema.Manager],
    ...[ContactSchema.SpouseName, ContactSchema.Children, ContactSchema.OfficeLocation, ContactSchema.HasPicture],
    ContactGroupSchema.Members,
    new ews.ExtendedPropertyDefinition(PERSONAL_HOME_PAGE, MapiPropertyType.String),
    ...ORIGINAL_ADDRESSES.map(
      (id) => new ews.ExtendedPropertyDefinition(ews.DefaultExtendedPropertySet.Address, id, MapiPropertyType.String),
    ),
  ],
  tasks: () => [
    ...reminders(),
    ItemSchema.Importance,
    TaskSchema.StartDate,
    TaskSchema.DueDate,
    TaskSchema.CompleteDate,
    TaskSchema.PercentComplete,
    TaskSchema.Status,
    TaskSchema.Recurrence,
  ],
  notes: () => [new ews.ExtendedPropertyDefinition(new ews.Guid(NOTES_SET), NOTE_COLOUR, MapiPropertyType.Integer)],
};

/** Everything that is asked of an item of this kind. Each by name: what "all properties" are differs between servers. */
export function propertiesFor(kind: Exclude<ItemKind, 'mail'>): Property[] {
  return [...always(), ...OWN[kind]()];
}

/** What a report names of an item. */
export function descriptionProperties(): Property[] {
  return [
    ItemSchema.Subject,
    ItemSchema.DateTimeReceived,
    ItemSchema.DateTimeCreated,
    ews.EmailMessageSchema.From,
    AppointmentSchema.Start,
    AppointmentSchema.Organizer,
    ContactSchema.EmailAddresses,
  ];
}
